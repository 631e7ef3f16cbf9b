//go:build linux || openbsd || solaris || dragonfly || aix

package mirror

import (
	"io/fs"
	"syscall"
)

// changedAt returns when the content or an attribute of a file last changed.
func changedAt(info fs.FileInfo) stamp {
	st := info.Sys().(*syscall.Stat_t)
	return stamp{int64(st.Ctim.Sec), int64(st.Ctim.Nsec)}
}
