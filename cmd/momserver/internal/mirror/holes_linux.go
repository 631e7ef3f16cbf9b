package mirror

import (
	"errors"
	"os"
	"syscall"
)

const (
	seekData = 3
	seekHole = 4
)

// nextData returns the start and the end of the next data in the file, from an
// offset on. If only a hole follows, both are size.
func nextData(f *os.File, from, size int64) (start, end int64, err error) {
	start, err = f.Seek(from, seekData)
	if errors.Is(err, syscall.ENXIO) {
		return size, size, nil
	}
	if err == nil {
		end, err = f.Seek(start, seekHole)
	}
	return min(start, size), min(end, size), err
}
