//go:build unix && !solaris && !aix

package mirror

import (
	"io"
	"os"

	"mom.internal/cmd/internal/flock"
)

// lockDir locks a directory until the result is closed or the process ends. On
// a file system without locks it does nothing.
func lockDir(dir *os.Root) (io.Closer, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	if flock.Try(f) != nil {
		f.Close()
		return nil, errTaken
	}
	return f, nil
}
