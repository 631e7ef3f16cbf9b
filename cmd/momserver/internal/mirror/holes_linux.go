package mirror

import (
	"errors"
	"os"
	"syscall"
)

const seekData = 3

// nextData returns where the next bytes of the file are stored, from an offset
// on, or size if only a hole follows.
func nextData(f *os.File, from, size int64) (int64, error) {
	at, err := f.Seek(from, seekData)
	if errors.Is(err, syscall.ENXIO) {
		return size, nil
	}
	return min(at, size), err
}
