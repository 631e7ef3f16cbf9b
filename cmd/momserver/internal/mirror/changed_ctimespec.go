//go:build darwin || freebsd || netbsd || ios

package mirror

import (
	"io/fs"
	"syscall"
)

// changedAt returns when the content or an attribute of a file last changed.
func changedAt(info fs.FileInfo) stamp {
	st := info.Sys().(*syscall.Stat_t)
	return stamp{int64(st.Ctimespec.Sec), int64(st.Ctimespec.Nsec)}
}
