//go:build unix && !solaris && !aix

package cursorfile

import (
	"errors"
	"path/filepath"
	"testing"
)

// TestCursorLocked refuses a second monitor until the first has ended, whether
// the first has created the file or found it.
func TestCursorLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	for seq := range uint64(2) {
		f := open(t, path)
		if err := f.Save(cursor(seq + 1)); err != nil {
			t.Fatal(err)
		}
		isShared(t, path)
		if read(t, path) != string(line(cursor(seq+1))) {
			t.Errorf("it was touched: %q", read(t, path))
		}
		f.Follow(f.Cursor)()
	}
	open(t, path)
}

// TestCursorTempLocked leaves the temporary file to a monitor that writes it, but
// takes the file of one that was killed.
func TestCursorTempLocked(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cursor")
	f := open(t, path)
	temp, err := createNew(path + ".tmp")
	if err != nil {
		t.Fatal(err)
	}
	isShared(t, path)
	if err := f.Save(cursor(1)); !errors.Is(err, errShared) || names(t, dir) != "cursor.tmp" {
		t.Errorf("%v, there are %s", err, names(t, dir))
	}
	temp.Close()
	if err := open(t, path).Save(cursor(1)); err != nil || names(t, dir) != "cursor" {
		t.Errorf("%v, there are %s", err, names(t, dir))
	}
}

// isShared checks that Open refuses the file because of another monitor.
func isShared(t *testing.T, path string) {
	t.Helper()
	_, err := Open(path)
	if err == nil || err.Error() != path+": another monitor keeps its position there; give each monitor a file of its own" {
		t.Errorf("%v", err)
	}
}
