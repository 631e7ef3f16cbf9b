package filewatch

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestTriedAgain reads a changed file again if the first attempt failed, and
// reports the error once.
func TestTriedAgain(t *testing.T) {
	path, reported, fails := filepath.Join(t.TempDir(), "x"), 0, 0
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".aside", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".aside", path); err != nil {
			t.Fatal(err)
		}
	}
	put("old")
	w, err := New(func(error) { reported++ }, func() (string, error) {
		if fails--; fails >= 0 {
			return "", errors.New("too many open files")
		}
		data, err := os.ReadFile(path)
		return string(data), err
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	put("new")
	fails = 3
	for _, want := range []string{"old", "old", "old", "new", "new"} {
		if got := w.Get(); got != want {
			t.Errorf("%s in force; want %s", got, want)
		}
	}
	if reported != 1 {
		t.Errorf("%d errors are reported", reported)
	}
}
