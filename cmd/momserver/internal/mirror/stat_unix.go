//go:build unix

package mirror

import (
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// ownerRuns reports whether a file has the owner and the group that this
// process gives to new files.
func ownerRuns(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	user, group := owner()
	return ok && int(st.Uid) == user && int(st.Gid) == group
}

// owner returns the user and the group of this process, which do not change.
var owner = sync.OnceValues(func() (user, group int) { return os.Geteuid(), os.Getegid() })

// deviceOf returns the number of the file system that an entry is on.
func deviceOf(info fs.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Dev) }

// inodeOf returns the number of the file in its file system.
func inodeOf(info fs.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Ino) }

// namesOf returns how many names (hard links) a file has.
func namesOf(info fs.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Nlink) }

// storedOf returns how many bytes of the file are stored. It is less than the
// size if the file has holes.
func storedOf(info fs.FileInfo) int64 { return int64(info.Sys().(*syscall.Stat_t).Blocks) * 512 }
