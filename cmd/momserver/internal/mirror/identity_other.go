//go:build !linux

package mirror

import "os"

// identityOf returns a number that identifies the file system of a directory.
// Another one that is mounted in its place has another number.
func identityOf(dir *os.Root) uint64 {
	info, err := dir.Stat(".")
	if err != nil {
		return 0
	}
	return deviceOf(info)
}
