package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// netnsLab is three network namespaces: one for servers, one for clients, and a
// router between them that the test can let drop packets. The sockets on both
// sides then see silence, and no error.
type netnsLab struct {
	t                        *testing.T
	pairs                    int // of addresses
	servers, router, clients *namespace
}

// namespace is a network namespace, and the thread in it. It ends with the
// test.
type namespace struct {
	tid  int
	jobs chan func()
}

// in is a runner. The sockets and processes that do makes are in the namespace.
func (n *namespace) in(do func() error) error {
	done := make(chan error)
	n.jobs <- func() { done <- do() }
	return <-done
}

// newNamespace returns an error if the system refuses a namespace.
func newNamespace(t *testing.T) (*namespace, error) {
	n, made := &namespace{jobs: make(chan func())}, make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		n.tid = syscall.Gettid()
		err := syscall.Unshare(syscall.CLONE_NEWNET)
		made <- err
		for do := range n.jobs {
			do()
		}
	}()
	t.Cleanup(func() { close(n.jobs) })
	return n, <-made
}

// envOwner says that this process is root in a user namespace of its own.
const envOwner = "MOM_TEST_OWNER"

func serverIP(pair int) string { return fmt.Sprintf("10.77.0.%d", pair) }
func clientIP(pair int) string { return fmt.Sprintf("10.77.1.%d", pair) }

// newNetnsLab makes a lab with the number of pairs of addresses. Without root
// it runs the test again in a process that is root in a user namespace, and
// returns nil; the test must then return. If the system refuses namespaces, the
// test is skipped.
func newNetnsLab(t *testing.T, pairs int) *netnsLab {
	t.Helper()
	if os.Geteuid() != 0 && os.Getenv(envOwner) == "" {
		asOwner(t)
		return nil
	}
	l := &netnsLab{t: t, pairs: pairs}
	for _, n := range []**namespace{&l.servers, &l.router, &l.clients} {
		made, err := newNamespace(t)
		if err != nil {
			t.Skipf("no network namespace can be made here: %v", err)
		}
		*n = made
	}
	l.ip(l.router, "link add toservers type veth peer name router netns %d", l.servers.tid)
	l.ip(l.router, "link add toclients type veth peer name router netns %d", l.clients.tid)
	l.ip(l.router, "addr add 10.77.0.254/24 dev toservers")
	l.ip(l.router, "addr add 10.77.1.254/24 dev toclients")
	l.ip(l.router, "link set toservers up")
	l.ip(l.router, "link set toclients up")
	err := l.router.in(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) })
	if err != nil {
		t.Skipf("no router can be made here: %v", err)
	}
	for pair := 1; pair <= pairs; pair++ {
		l.ip(l.servers, "addr add %s/24 dev router", serverIP(pair))
		l.ip(l.clients, "addr add %s/24 dev router", clientIP(pair))
	}
	l.ip(l.servers, "link set lo up") // for clients beside a server
	l.ip(l.servers, "link set router up")
	l.ip(l.clients, "link set router up")
	for pair := 1; pair <= pairs; pair++ { // so that each pair has its own routes
		l.ip(l.servers, "route add %s via 10.77.0.254 src %s", clientIP(pair), serverIP(pair))
		l.ip(l.clients, "route add %s via 10.77.1.254 src %s", serverIP(pair), clientIP(pair))
	}
	return l
}

// ip runs the command ip in the namespace.
func (l *netnsLab) ip(in *namespace, format string, args ...any) {
	l.t.Helper()
	var out []byte
	err := in.in(func() (err error) {
		out, err = exec.Command("ip", strings.Fields(fmt.Sprintf(format, args...))...).CombinedOutput()
		return err
	})
	switch {
	case err == nil:
	case strings.HasPrefix(format, "link add"):
		l.t.Skipf("no links between namespaces can be made here: %v: %s", err, out)
	default:
		l.t.Fatalf("ip "+format+": %v: %s", append(args, err, out)...)
	}
}

// asOwner runs the test in a process that is root in a user namespace.
func asOwner(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), envOwner+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case cmd.ProcessState == nil:
		t.Skipf("no user namespace can be made here: %v", err)
	case err != nil:
		t.Errorf("as root of a user namespace: %v\n%s", err, out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Skipf("%s", out)
	}
}

// way is a direction of a pair's link.
type way string

const (
	bothWays   way = "both ways"
	toServer   way = "to the server"
	fromServer way = "from the server"
)

// cut lets the router drop the packets of a pair, or heals the link.
func (l *netnsLab) cut(pair int, ways way, cut bool) {
	l.t.Helper()
	verb := "del"
	if cut {
		verb = "add"
	}
	if ways != fromServer {
		l.ip(l.router, "route %s blackhole %s", verb, serverIP(pair))
	}
	if ways != toServer {
		l.ip(l.router, "route %s blackhole %s", verb, clientIP(pair))
	}
}
