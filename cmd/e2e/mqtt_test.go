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

const mqttEvents = 12_000

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
	sub := launch(t, sameNamespace, exec.Command("mosquitto_sub", append(args, "-t", "mom/#", "-C", fmt.Sprint(mqttEvents))...))
	broker.says(" mom/#")

	srv, addr := serveHere(t, momserver.Config{CacheEvents: 2 * mqttEvents, ProgressInterval: 1})
	r, w := pipe(t)
	p := watchTo(t, w, addr, "-o", "cloudevents", "-exit-when-done", "-job", "site")
	w.Close()
	cmd := exec.Command("mosquitto_pub", append(args, "-t", "mom/events", "-l")...)
	cmd.Stdin = r
	pub := launch(t, sameNamespace, cmd)
	r.Close()
	longRun(t, srv, mqttEvents)
	for _, p := range []*process{p, pub, sub} {
		p.exits(0)
	}
	seq, stream := uint64(0), invariant.NewStream(invariant.Unknown(), wire.Filter{}, invariant.Fails(t))
	for line := range strings.Lines(sub.stdout.String()) {
		seq++
		var e struct {
			ID, Sequence string
			Data         wire.Event
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("line %d: %v", seq, err)
		}
		if stream.Event(e.Data); e.Sequence != fmt.Sprintf("%020d", seq) || e.ID != e.Data.Cursor().String() {
			t.Fatalf("line %d is event %d with the ID %s and the sequence %s", seq, e.Data.Seq, e.ID, e.Sequence)
		}
	}
	if got, want := stream.Told(), (invariant.Told{Fresh: mqttEvents, Last: mqttEvents}); got != want {
		t.Errorf("told %+v; want %+v", got, want)
	}
}

// longRun publishes a run of the job "site" with n events.
func longRun(t *testing.T, srv *momserver.Server, n int) {
	t.Helper()
	size := int64(n - 5) // two events begin the run, three end it
	j, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site", Bytes: size, Packages: 1})
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
