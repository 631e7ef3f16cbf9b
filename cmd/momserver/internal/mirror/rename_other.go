//go:build !linux

package mirror

import "os"

// respellIn renames an entry of a directory to another spelling of its name.
func respellIn(dir *os.Root, from, to string) error { return dir.Rename(from, to) }
