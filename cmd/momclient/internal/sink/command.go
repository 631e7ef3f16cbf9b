package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/wire/duplex"
)

// The bounds of a command.
const (
	commandTime = 30 * time.Second
	waitTime    = time.Second // for a process that the command has left behind and that still has its stderr
)

// runCommand gives the alert to a command of the shell, as a CloudEvent on stdin,
// with the essentials in environment variables. Exit code 0 means that the command
// has taken the message.
func runCommand(ctx context.Context, command string, a *alert.Alert) error {
	text, err := encodeCloudEvent(a)
	if err != nil {
		return &Refusal{err}
	}
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	shell, flag := "/bin/sh", "-c"
	if runtime.GOOS == "windows" {
		shell, flag = "cmd", "/C"
	}
	cmd := exec.CommandContext(ctx, shell, flag, command)
	var stderr tail
	cmd.Stdin, cmd.Stderr, cmd.Env, cmd.WaitDelay = bytes.NewReader(append(text, '\n')), &stderr, environment(a), waitTime
	ownGroup(cmd)
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success():
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("it has not ended within %v", commandTime)
	case errors.As(err, &exit):
		return fmt.Errorf("it ends with %v%s", exit, stderr.said())
	case cmd.ProcessState != nil && cmd.ProcessState.Success(): // it did not read its stdin
		return nil
	}
	return err
}

// plain matches a word that the shell takes as it is.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./+-]+$`)

// found returns false if the shell would not find the program, neither as a file nor
// as a command of its own. It returns true if that is unknown. It does not run the
// program.
func found(program string) bool {
	if runtime.GOOS == "windows" || !plain.MatchString(program) {
		return true
	}
	err := exec.Command("/bin/sh", "-c", `command -v -- "$1"`, "sh", program).Run()
	var exit *exec.ExitError
	return !errors.As(err, &exit)
}

// environment returns the environment of a command. It is that of the monitor
// without its token, with the variables of the alert.
func environment(a *alert.Alert) []string {
	var env []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "MOM_TOKEN=") {
			env = append(env, variable)
		}
	}
	add := func(name, value string) { env = append(env, "MOM_"+name+"="+output.Clean(value)) } // Clean leaves no zero byte
	add("ID", a.ID.String())
	add("KIND", string(a.Kind))
	add("TEXT", a.Text+missed(a))
	add("TIME", a.Time.Format(time.RFC3339Nano))
	add("SERVER", a.Server)
	add("JOB", a.Job)
	if a.JobID != uuid.Nil {
		add("JOB_ID", a.JobID.String())
	}
	if a.RunID != uuid.Nil {
		add("RUN_ID", a.RunID.String())
	}
	if a.Run != nil && a.Run.Outcome != 0 {
		add("OUTCOME", a.Run.Outcome.String())
	}
	add("WHY", a.Why)
	if !a.Since.IsZero() {
		add("SINCE", a.Since.UTC().Format(time.RFC3339Nano))
	}
	add("COUNT", strconv.Itoa(max(1, a.Count)))
	return env
}

// missed returns a text with the number of earlier messages that were dropped, or
// "" for none.
func missed(a *alert.Alert) string {
	if a.Missed == 0 {
		return ""
	}
	return fmt.Sprintf(" [%s before this one dropped]", output.Plural(a.Missed, "message"))
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - maxTail; over > 0 {
		t.text = t.text[:copy(t.text, t.text[over:])]
	}
	return len(p), nil
}

// said returns the last line, after a colon.
func (t *tail) said() string {
	text := strings.TrimSpace(string(t.text))
	if text == "" {
		return ""
	}
	return ": " + output.Clean(duplex.Clip(text[strings.LastIndexByte(text, '\n')+1:], maxShown))
}
