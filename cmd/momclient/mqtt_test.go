//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// mqttEvents is how many events TestMQTT sends in one run.
const mqttEvents = 12_000

// broker is a mosquitto of the test's own.
type broker struct {
	port string
	log  buffer
}

// startBroker starts mosquitto on loopback, without a bound on what it queues:
// by default it drops what is over 1,000 messages, silently.
func startBroker(t *testing.T) *broker {
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := new(broker)
	_, b.port, _ = net.SplitHostPort(l.Addr().String())
	l.Close()
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	write(t, conf, "listener "+b.port+" 127.0.0.1\nallow_anonymous true\npersistence false\n"+
		"max_queued_messages 0\nmax_inflight_messages 0\nlog_dest stderr\nlog_type subscribe\nlog_type error\n")
	b.start(t, path, nil, nil, "-c", conf)
	eventually(t, "listening", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+b.port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return b
}

// start starts a program whose messages go to the log.
func (b *broker) start(t *testing.T, path string, stdin *os.File, stdout *buffer, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Stderr = &b.log
	if stdin != nil {
		cmd.Stdin = stdin
	}
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// TestMQTT sends a run of more than ten thousand events through a real broker:
// momclient -o cloudevents | mosquitto_pub -l. All arrive, once, in order.
func TestMQTT(t *testing.T) {
	b := startBroker(t)
	var got buffer
	sub := b.start(t, "mosquitto_sub", nil, &got, "-h", "127.0.0.1", "-p", b.port, "-q", "2", "-t", "mom/#", "-C", fmt.Sprint(mqttEvents))
	eventually(t, "subscribed", func() bool { return strings.Contains(b.log.String(), " mom/#") })

	srv, addr := serveTCP(t, momserver.Config{CacheEvents: 2 * mqttEvents, ProgressInterval: 1})
	r, w := pipe(t)
	p := start(t, addr, w, "-o", "cloudevents", "-exit-when-done", "-job", "site")
	w.Close()
	pub := b.start(t, "mosquitto_pub", r, nil, "-h", "127.0.0.1", "-p", b.port, "-q", "2", "-t", "mom/events", "-l")
	r.Close()
	longRun(t, srv, mqttEvents)
	p.exits(exitOK)
	hung := time.AfterFunc(hangs, func() { pub.Process.Kill(); sub.Process.Kill() })
	defer hung.Stop()
	if err := pub.Wait(); err != nil {
		t.Fatalf("mosquitto_pub: %v\n%s", err, &b.log)
	}
	if err := sub.Wait(); err != nil {
		t.Fatalf("mosquitto_sub: %v, after %d lines\n%s", err, strings.Count(got.String(), "\n"), &b.log)
	}
	seq, stream := uint64(0), invariant.NewStream(invariant.Unknown(), wire.Filter{}, invariant.Fails(t))
	for line := range bytes.Lines([]byte(got.String())) {
		seq++
		var e struct {
			ID, Sequence string
			Data         wire.Event
		}
		if err := json.Unmarshal(line, &e); err != nil {
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

// longRun publishes a run of the job "site" that has n events.
func longRun(t *testing.T, srv *momserver.Server, n int) {
	t.Helper()
	size := int64(n - 5) // of the others: two begin, three end
	j, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site", Bytes: size, Packages: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := j.StartPackage(wire.PackageHeader{FileSize: size}, wire.PackageBody{Files: 1})
	for i := int64(0); i < size && err == nil; i++ {
		err = p.Received(1)
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
