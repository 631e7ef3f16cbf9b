package duplex_test

import (
	"context"
	"crypto/tls"
	"net"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/certs"
	"mom.internal/wire/wiretest/source"
)

// TestGoroutinesEnd runs all there is over real sockets, and looks at the
// goroutines of the process: each that is the library's is in a table, and
// none is left at the end.
func TestGoroutinesEnd(t *testing.T) {
	waitGone()
	if before := libraryGoroutines(); len(before) > 0 {
		t.Fatalf("goroutines of other tests are left: %v", before)
	}
	listed := slices.Concat(source.Goroutines(t, "."), source.Goroutines(t, "../../momserver"), source.Goroutines(t, "../../momclient"))
	authority := certs.NewAuthority()
	serverTLS := &tls.Config{Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "127.0.0.1")}}
	clientTLS := &tls.Config{RootCAs: authority.Pool()}
	for _, end := range []string{"Shutdown", "Close"} {
		for _, secured := range []bool{false, true} {
			var cfg momserver.Config
			var opts momclient.Options
			if secured {
				cfg.TLS, opts.TLS = serverTLS, clientTLS
			}
			seen := exercise(t, cfg, opts, end)
			for name, stack := range seen {
				if !slices.Contains(listed, name) {
					t.Errorf("%s is in no GOROUTINES.md:\n%s", name, stack)
				}
			}
			for _, must := range []string{"momserver.(*sender).run", "momserver.(*Server).takePlace", "momserver.(*Server).serveCallback", "momclient.(*session).serveCallbacks", "net/rpc.(*Client).input"} {
				if seen[must] == "" {
					t.Errorf("%s was not seen: this test sees too little", must)
				}
			}
			if left := libraryGoroutines(); len(left) > 0 {
				t.Errorf("after %s, TLS %v, left: %v", end, secured, left)
			}
		}
	}
}

// exercise runs a server with clients of every kind, and returns the library's
// goroutines while all of it ran.
func exercise(t *testing.T, cfg momserver.Config, opts momclient.Options, end string) map[string]string {
	t.Helper()
	srv := momserver.New(cfg)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	job, err := srv.StartJob(uuid.New(), wire.InitializeData{Name: "job"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	var clients []*momclient.Client
	for _, callback := range []string{"", "127.0.0.1:0"} {
		o := opts
		o.CallbackAddr, o.AutoReconnect = callback, true
		c := momclient.New(l.Addr().String(), o)
		got := make(chan wire.Event, 16)
		c.OnEvent(func(e wire.Event) { got <- e })
		if err := c.Subscribe(ctx); err != nil {
			t.Fatal(err)
		}
		<-got
		if _, _, err := c.History(ctx, wire.Cursor{}, 0); err != nil {
			t.Error(err)
		}
		clients = append(clients, c)
	}
	// A stranger who says nothing, and a dial-back that nobody answers.
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()

	seen := libraryGoroutines()
	for try := 0; try < 1000 && seen["momserver.(*Server).serveCallback"] == ""; try++ { // an event may come before it runs
		time.Sleep(time.Millisecond)
		seen = libraryGoroutines()
	}
	job.Complete()
	if end == "Shutdown" {
		// The stranger would be waited for until his handshake times out.
		silent.Close()
		if err := srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}
	srv.Close()
	if err := <-served; err != momserver.ErrServerClosed {
		t.Error(err)
	}
	for _, c := range clients {
		c.Close()
	}
	waitGone()
	return seen
}

// waitGone waits for the goroutines that end without being waited for: those
// that call handlers, and those on a timer that has just been stopped.
func waitGone() {
	for range 10_000 { // a busy machine takes its time
		if len(libraryGoroutines()) == 0 {
			return
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
}

var (
	closure  = regexp.MustCompile(`(\.func[0-9]+|\.[0-9]+|\.gowrap[0-9]+|-fm)+$`)
	method   = regexp.MustCompile(`^([a-z/]+\.).*(\(\*\w+\)\.\w+)$`)
	testFile = regexp.MustCompile(`(?m)^\t\S+_test\.go:`)
)

// libraryGoroutines returns the stacks of the goroutines that run the
// library's code, by the function that they began with.
func libraryGoroutines() map[string]string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	found := make(map[string]string)
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if root := rootOf(stack); root != "" {
			found[root] = stack
		}
	}
	return found
}

// rootOf returns the function that a goroutine of the library's began with; ""
// for a goroutine that is a test's or somebody else's.
func rootOf(stack string) string {
	body, _, _ := strings.Cut(stack, "\ncreated by ")
	if testFile.MatchString(body) || !strings.Contains(body, "\nmom.internal/") {
		return ""
	}
	root := ""
	for line := range strings.Lines(body) {
		name := strings.TrimSpace(line)
		if strings.HasPrefix(line, "\t") || strings.HasPrefix(name, "goroutine ") || strings.HasPrefix(name, "sync.") || strings.HasPrefix(name, "context.") {
			continue
		}
		if i := strings.LastIndex(name, "("); i > 0 {
			root = name[:i]
		}
	}
	if inModule, ok := strings.CutPrefix(root, "mom.internal/"); ok {
		root = path.Base(inModule) // as the tables have it
	}
	root = closure.ReplaceAllString(root, "")
	return method.ReplaceAllString(root, "$1$2") // of an inlined starter's callers only the last
}
