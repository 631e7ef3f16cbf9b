//go:build !linux

package mirror

import "os"

// mountOf returns 0, because on this system a mount point is on another device
// than the directory that it is in.
func mountOf(*os.Root) uint64 { return 0 }

// identityOf returns a number that identifies the file system of a directory.
// Another one that is mounted in its place has another number.
func identityOf(dir *os.Root) uint64 {
	info, err := dir.Stat(".")
	if err != nil {
		return 0
	}
	return deviceOf(info)
}
