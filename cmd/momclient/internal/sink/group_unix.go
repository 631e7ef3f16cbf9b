//go:build unix

package sink

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the command a process group, so that a ^C in the terminal of the
// monitor does not end it, and so that all of its processes are killed in the end.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
