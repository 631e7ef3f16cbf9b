// Command picture runs a program on a terminal, and draws the screen as SVG when
// it matches an expression. It draws the pictures of README from a real run: see
// .ci/pictures.
//
//	picture -o terminal.svg -size 80x24 -until 66% -type '\r' -then PACKAGES momclient -addr …
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"mom.internal/cmd/momclient/internal/termtest"
)

func main() {
	out := flag.String("o", "", "write the picture to `FILE`")
	size := flag.String("size", "80x24", "`COLUMNSxROWS` of the terminal")
	until := flag.String("until", "", "wait until the screen has a match of `REGEXP`")
	keys := flag.String("type", "", "then type `KEYS`, with escapes as in Go")
	then := flag.String("then", "", "and wait until the screen has a match of `REGEXP`")
	text := flag.Bool("text", false, "print the screen as text, too")
	wait := flag.Duration("wait", time.Minute, "give up after this time")
	flag.Parse()
	var columns, rows int
	if _, err := fmt.Sscanf(*size, "%dx%d", &columns, &rows); err != nil || flag.NArg() == 0 || *out == "" {
		flag.Usage()
		os.Exit(2)
	}
	typed, err := strconv.Unquote(`"` + *keys + `"`)
	if err != nil {
		flag.Usage()
		os.Exit(2)
	}
	screen, err := watch(flag.Args(), columns, rows, *wait, step{*until, typed}, step{*then, ""})
	if err == nil {
		err = os.WriteFile(*out, svg(screen), 0o644)
	}
	if screen != nil && (*text || err != nil) {
		fmt.Print(screen.Text())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// step is an expression that the screen must match, and the keys that are typed then.
type step struct{ until, keys string }

// watch runs the program until its screen has matched each step, and returns the
// screen.
func watch(args []string, columns, rows int, wait time.Duration, steps ...step) (*termtest.Screen, error) {
	master, slave, err := termtest.OpenPTY()
	if err != nil {
		return nil, err
	}
	defer master.Close()
	if err := termtest.ResizePTY(master, columns, rows); err != nil {
		return nil, err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(os.Environ(), "TERM=xterm", "LC_ALL=C.UTF-8", "NO_COLOR=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	slave.Close()
	if err != nil {
		return nil, err
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	screen := termtest.NewScreen(columns, rows)
	for _, s := range steps {
		match, err := regexp.Compile(s.until)
		if err == nil && s.until != "" {
			err = read(master, screen, match, wait)
		}
		if err == nil {
			_, err = master.WriteString(s.keys)
		}
		if err != nil {
			return screen, err
		}
	}
	return screen, nil
}

// read draws the output of the program until a whole frame matches.
func read(master *os.File, screen *termtest.Screen, match *regexp.Regexp, wait time.Duration) error {
	if err := master.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	buf := make([]byte, 1<<16)
	for {
		n, err := master.Read(buf)
		screen.Write(buf[:n])
		if len(screen.Unknown) > 0 {
			return fmt.Errorf("the program wrote %q, which is not supported here", screen.Unknown)
		}
		if !screen.Syncing && match.MatchString(screen.Text()) {
			return nil
		}
		if err != nil {
			return errors.Join(fmt.Errorf("the screen has had no %q", match), err)
		}
	}
}
