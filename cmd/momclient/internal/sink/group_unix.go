//go:build unix

package sink

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the command a process group, so that a ^C in the terminal of the
// monitor does not end the command, and so that all processes of the command are
// killed when its context ends.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
