// Package syncdir brings the names in a directory to the disk. Packages outbox and
// runlog use it after they have created or renamed a file.
package syncdir

import (
	"os"
	"path/filepath"
)

// Of brings the name of the file at the path to the disk, if the system can.
func Of(path string) {
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		dir.Sync()
		dir.Close()
	}
}
