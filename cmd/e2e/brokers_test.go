//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// brokerEvents is the number of events that go through each broker.
const brokerEvents = 12_000

// startBroker starts mosquitto on loopback, and returns its address. Its queue has
// no bound, because by default mosquitto silently drops messages from the 1,001st
// on.
func startBroker(t *testing.T) (broker *process, host, port string) {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/mosquitto")
	}
	for _, client := range []string{"mosquitto_pub", "mosquitto_sub"} {
		if err == nil {
			_, err = exec.LookPath(client)
		}
	}
	if err != nil {
		t.Skipf("mosquitto and its clients are not installed: %v", err)
	}
	l, err := net.Listen("tcp", restartable())
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ = net.SplitHostPort(l.Addr().String())
	l.Close()
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	if err := os.WriteFile(conf, []byte("listener "+port+" "+host+"\nallow_anonymous true\npersistence false\n"+
		"max_queued_messages 0\nmax_inflight_messages 0\nlog_dest stderr\nlog_type subscribe\nlog_type error\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broker = launch(t, sameNamespace, exec.Command(path, "-c", conf))
	broker.eventually("listening", func() bool {
		c, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return broker, host, port
}

// TestMQTT sends a run of more than ten thousand events through a real broker:
// momclient -o cloudevents | mosquitto_pub -l. All of them arrive, once and in
// order.
func TestMQTT(t *testing.T) {
	broker, host, port := startBroker(t)
	args := []string{"-h", host, "-p", port, "-q", "2"}
	sub := launch(t, sameNamespace, exec.Command("mosquitto_sub", append(args, "-t", "mom/#", "-C", fmt.Sprint(brokerEvents))...))
	broker.says(" mom/#")

	publishTo(t, publisher(t, "mosquitto_pub", "broker", host), "-p", port)
	sub.exits(0)
	arrived(t, sub.stdout.String())
}

// TestNATS is TestMQTT with a real nats-server: momclient -o cloudevents | nats pub.
func TestNATS(t *testing.T) {
	for _, name := range []string{"nats-server", "nats"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed; .ci/run says how: %v", name, err)
		}
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir()) // so that nats uses no context of the user
	broker := launch(t, sameNamespace, exec.Command("nats-server", "-a", "127.0.0.1", "-p", "-1", "-DV"))
	_, port, _ := net.SplitHostPort(strings.TrimSpace(broker.word("Listening for client connections on ")))
	server := "nats://" + net.JoinHostPort("127.0.0.1", port)
	sub := launch(t, sameNamespace, exec.Command("nats", "-s", server, "sub", "mom.events", "--raw", "--count", fmt.Sprint(brokerEvents)))
	broker.says("[SUB mom.events")
	publishTo(t, publisher(t, "nats", "nats://broker", server))
	sub.exits(0)
	arrived(t, sub.stdout.String())
}

// TestKafka is TestMQTT with a real kcat, and a broker that is part of the test.
func TestKafka(t *testing.T) {
	if _, err := exec.LookPath("kcat"); err != nil {
		t.Skipf("kcat is not installed: %v", err)
	}
	broker := startKafka(t, "mom")
	publishTo(t, publisher(t, "kcat", "broker:9092", broker.addr))
	arrived(t, broker.taken())
}

// publisher returns the command of that name to which README pipes the events, with
// another address.
func publisher(t *testing.T, name, broker, addr string) *exec.Cmd {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "| "+name+" ")
	line, _, _ := strings.Cut(rest, "\n")
	if !strings.Contains(line, broker) {
		t.Fatalf("README has no pipe to %s with the address %s: %q", name, broker, line)
	}
	return exec.Command(name, strings.Fields(strings.ReplaceAll(line, broker, addr))...)
}

// publishTo publishes a run of many events, which momclient writes to the command,
// with more arguments. It returns when both have ended.
func publishTo(t *testing.T, pub *exec.Cmd, args ...string) {
	t.Helper()
	pub.Args = append(pub.Args, args...)
	srv, addr := serveHere(t, momserver.Config{CacheEvents: 2 * brokerEvents, ProgressInterval: 1})
	r, w := pipe(t)
	p := watchTo(t, w, addr, "-o", "cloudevents", "-exit-when-done", "-job", "site")
	w.Close()
	pub.Stdin = r
	to := launch(t, sameNamespace, pub)
	r.Close()
	longRun(t, srv, brokerEvents)
	p.exits(0)
	to.exits(0)
}

// arrived checks that the lines are all events, once and in order.
func arrived(t *testing.T, lines string) {
	t.Helper()
	seq, stream := uint64(0), invariant.NewStream(invariant.Unknown(), wire.Filter{}, invariant.Fails(t))
	for line := range strings.Lines(lines) {
		seq++
		var e struct {
			ID, Sequence string
			Data         wire.Event
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("line %d: %v", seq, err)
		}
		if stream.Event(e.Data); e.Sequence != fmt.Sprintf("%020d", seq) || e.ID != e.Data.Cursor().String() || e.Data.Data.Initialize.SourcePath != template {
			t.Fatalf("line %d is event %d with the ID %s and the sequence %s: %s", seq, e.Data.Seq, e.ID, e.Sequence, line)
		}
	}
	if got, want := stream.Told(), (invariant.Told{Fresh: brokerEvents, Last: brokerEvents}); got != want {
		t.Errorf("told %+v; want %+v", got, want)
	}
}

// template is a path that nats pub replaces unless it is told not to.
const template = "/srv/{{Count}}"

// longRun publishes a run of the job "site" with n events.
func longRun(t *testing.T, srv *momserver.Server, n int) {
	t.Helper()
	size := int64(n - 5) // two events begin the run, three end it
	j, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site", SourcePath: template, Bytes: size, Packages: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := j.StartPackage(wire.PackageHeader{FileSize: size}, wire.PackageBody{Files: 1})
	for i := int64(0); i < size && err == nil; i++ {
		p.Received(1)
	}
	for _, step := range []func() error{p.Transferred, p.Complete, j.Complete} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
