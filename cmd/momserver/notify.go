package main

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// notifier tells the service manager the state of the service, in the protocol
// of systemd: datagrams of NAME=value lines to the Unix socket in
// $NOTIFY_SOCKET. That is a path, or with @ as its first byte an abstract name.
// If it is empty, there is no manager to tell.
type notifier struct {
	socket string
	log    *slog.Logger
}

// ready tells the manager that the service is ready at an address. stopping
// tells it that the service stops. The end of ctx does so too, and the manager
// is told only once.
func (n notifier) ready(ctx context.Context, addr net.Addr) (stopping func()) {
	n.tell("READY=1", "STATUS=mirroring; subscribers at "+addr.String())
	stopping = sync.OnceFunc(func() { n.tell("STOPPING=1", "STATUS=ending when subscribers have received everything") })
	context.AfterFunc(ctx, stopping)
	return stopping
}

// tell sends the lines. An error is only logged, because the service can run
// without its manager.
func (n notifier) tell(lines ...string) {
	if n.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: n.socket})
	if err == nil {
		defer conn.Close()
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = conn.Write([]byte(strings.Join(lines, "\n")))
	}
	if err != nil {
		n.log.Warn("cannot tell the service manager; a unit with Type=notify does not become ready", "told", lines[0], "error", err)
	}
}
