package main

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// TestTokenChanges: when another token is in the file, the clients that came with
// the one before are told so and dropped, and only the new token gets in. The same
// token again changes nothing, nor does a file that holds none.
func TestTokenChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file+".aside", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".aside", file); err != nil {
			t.Fatal(err)
		}
	}
	put("old\n")
	c, err := parseFlags([]string{"-token-file", file}, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	bad := make(chan error, 10)
	c.badFile = func(err error) { bad <- err }
	srv := momserver.New(c.Server)
	defer srv.Close()
	defer c.watchToken(srv, slog.New(slog.DiscardHandler))()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	first := momclient.New(l.Addr().String(), momclient.Options{Token: "old"})
	defer first.Close()
	ended := make(chan error, 1)
	first.OnConnection(func(s momclient.ConnectionStatus) {
		if s.Kind == momclient.Lost {
			ended <- s.Err
		}
	})
	if err := first.Subscribe(t.Context()); err != nil {
		t.Fatal(err)
	}
	asks := func(token string) error {
		client := momclient.New(l.Addr().String(), momclient.Options{Token: token})
		defer client.Close()
		_, err := client.Jobs(t.Context())
		return err
	}
	put("old\n")
	if err := asks("old"); err != nil {
		t.Error(err)
	}
	put("\n")
	if err := asks("old"); err != nil {
		t.Errorf("with a damaged file: %v", err)
	}
	<-bad
	if n := len(srv.Subscribers()); n != 1 {
		t.Errorf("%d subscribers before the change", n)
	}
	put("new\n")
	if err := asks("new"); err != nil {
		t.Errorf("the new token: %v", err)
	}
	if err := <-ended; !errors.Is(err, wire.Disconnected) || err.Error() != "the token has changed" {
		t.Errorf("the client with the old token was told %v", err)
	}
	if err := asks("old"); !errors.Is(err, wire.Unauthorized) {
		t.Errorf("the old token: %v", err)
	}
}
