//go:build unix

package mirror

import (
	"io/fs"
	"os"
	"syscall"
)

// ownerRuns reports whether a file's owner and group are those that this
// process gives the files that it makes.
func ownerRuns(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && int(st.Gid) == os.Getegid()
}
