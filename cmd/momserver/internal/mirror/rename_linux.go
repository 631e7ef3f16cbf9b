package mirror

import (
	"os"
	"syscall"
)

// respellIn renames an entry of a directory to another spelling of its name. The
// standard library would refuse that for a directory on a file system that does not
// number its files, because the two names would seem to belong to two directories.
func respellIn(dir *os.Root, from, to string) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return syscall.Renameat(int(f.Fd()), from, int(f.Fd()), to)
}
