package mirror

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// mountOf returns a number that identifies the mount through which a directory
// is seen, or 0 if there is no /proc. A bind mount has another number than the
// directory that it is in, even if both are on one file system.
func mountOf(dir *os.Root) (id uint64) {
	f, err := dir.Open(".")
	if err != nil {
		return 0
	}
	defer f.Close()
	text, _ := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", f.Fd()))
	_, after, _ := strings.Cut(string(text), "mnt_id:")
	fmt.Sscan(after, &id)
	return id
}

// identityOf returns a number that identifies the file system of a directory.
// Another one that is mounted in its place, perhaps from the same device, has
// another number.
func identityOf(dir *os.Root) uint64 {
	f, err := dir.Open(".")
	if err != nil {
		return 0
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &st); err == nil {
		if id := uint64(uint32(st.Fsid.X__val[0]))<<32 | uint64(uint32(st.Fsid.X__val[1])); id != 0 {
			return id
		}
	}
	return deviceOf(info)
}
