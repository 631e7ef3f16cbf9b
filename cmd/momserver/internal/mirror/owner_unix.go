//go:build unix

package mirror

import (
	"io/fs"
	"os"
	"syscall"
)

// ownerRuns reports whether a file has the owner and the group that this
// process gives to new files.
func ownerRuns(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && int(st.Gid) == os.Getegid()
}
