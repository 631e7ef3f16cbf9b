//go:build !linux || 386 || arm || mips || mipsle

package mirror

import (
	"os"
	"time"
)

// setTime sets the modification time of an open file or directory. It does nothing
// if the standard library cannot set the time.
func setTime(f *os.File, t stamp) error {
	when := t.time()
	if when.Before(time.Unix(0, -1<<63)) || when.After(time.Unix(0, 1<<63-1)) {
		return nil
	}
	return os.Chtimes(f.Name(), when, when)
}
