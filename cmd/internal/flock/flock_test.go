//go:build unix && !solaris && !aix

package flock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestTry refuses a second lock until the first file is closed.
func TestTry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	first, second := open(), open()
	if err := Try(first); err != nil {
		t.Fatal(err)
	}
	if err := Try(second); !errors.Is(err, ErrTaken) {
		t.Errorf("the second: %v", err)
	}
	first.Close()
	if err := Try(second); err != nil {
		t.Errorf("after the first: %v", err)
	}
}
