package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/wiretest"
)

// FuzzCursorFile: a cursor file is a place, or is damaged, which is said and
// leaves the file as it is; what is saved is read again.
func FuzzCursorFile(f *testing.F) {
	id := "0b49b7e6-3df0-4ad0-a9d1-9a4b21f1b1e4"
	for _, text := range []string{
		"", "\n", id + "/42\n", id + "/00000000000000000042\n", id + "/42\r\n\r\n", id, id + "/", id + "/-1", id + "/18446744073709551616", id + "/18446744073709551615",
		"00000000-0000-0000-0000-000000000000/1\n", id + "/42\n" + id + "/43\n", "{" + id + "}/1", "urn:uuid:" + id + "/1", "\x00", string(make([]byte, 5000)),
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "cursor")
		wiretest.Bounded(t, len(data), func() {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := openCursorFile(path)
			if err != nil {
				var bad fileError
				if kept, rerr := os.ReadFile(path); rerr != nil || !bytes.Equal(kept, data) || !errors.As(err, &bad) || len(err.Error()) > 1000 {
					t.Errorf("%v; the file is %q", err, kept)
				}
				return
			}
			next := wire.Cursor{Epoch: uuid.UUID{9}, Seq: file.cursor.Seq ^ 1}
			if err := file.save(next); err != nil {
				t.Fatal(err)
			}
			file.file.Close()
			again, err := openCursorFile(path)
			if err != nil || again.cursor != next {
				t.Errorf("saved %v, read %v: %v", next, again.cursor, err)
			}
		})
	})
}
