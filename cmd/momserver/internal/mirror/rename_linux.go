package mirror

import (
	"os"
	"syscall"
)

// respellIn renames an entry of a directory to another spelling of its name. The
// standard library would refuse that for a directory if the file system does not
// number its files, so that both names seem to be those of two directories.
func respellIn(dir *os.Root, from, to string) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return syscall.Renameat(int(f.Fd()), from, int(f.Fd()), to)
}
