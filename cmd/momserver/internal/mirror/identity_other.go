//go:build !linux

package mirror

import "os"

// identityOf returns what tells the file system of a directory from another one
// that is mounted in its place.
func identityOf(dir *os.Root) uint64 {
	info, err := dir.Stat(".")
	if err != nil {
		return 0
	}
	return deviceOf(info)
}
