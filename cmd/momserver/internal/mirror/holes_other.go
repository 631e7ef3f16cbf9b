//go:build !linux

package mirror

import (
	"errors"
	"os"
)

// nextData returns an error, because this program does not look for holes on this
// system.
func nextData(*os.File, int64, int64) (start, end int64, err error) {
	return 0, 0, errors.ErrUnsupported
}
