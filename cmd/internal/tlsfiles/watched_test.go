package tlsfiles

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"mom.internal/wire/wiretest/certs"
)

// TestDamaged: if a file is damaged, the earlier version stays in force, and
// the error is reported once.
func TestDamaged(t *testing.T) {
	f := &files{t: t, dir: t.TempDir()}
	a := certs.NewAuthority()
	good, other := a.Issue("good", time.Hour), a.Issue("other", time.Hour)
	f.putPair("x", good)
	f.put("ca.pem", a.PEM())
	pair, pool := f.pair("x"), f.pool("ca.pem")
	roots := pool.files.get()
	cert, key := certs.PEM(other)
	for name, damage := range map[string]func(){
		"half a certificate": func() { f.put("x.pem", cert[:len(cert)/2]) },
		"an empty one":       func() { f.put("x.pem", nil) },
		"none":               func() { os.Remove(f.path("x.pem")) },
		"of another key":     func() { f.put("x.pem", cert) },
		"half a key":         func() { f.put("x.key", key[:len(key)/2]) },
	} {
		f.putPair("x", good)
		pair.files.get()
		f.said = nil
		damage()
		for range 3 {
			if got := pair.files.get(); string(got.Certificate[0]) != string(good.Certificate[0]) {
				t.Errorf("%s: another certificate is in force", name)
			}
		}
		if len(f.said) != 1 || !strings.Contains(f.said[0], f.path("x.pem")) {
			t.Errorf("%s: reported %q", name, f.said)
		}
	}
	f.putPair("x", other)
	if got := pair.files.get(); string(got.Certificate[0]) != string(other.Certificate[0]) {
		t.Error("a good pair after the damaged ones is not taken")
	}
	f.said = nil
	f.put("ca.pem", []byte("no certificate"))
	for range 2 {
		if pool.files.get() != roots || len(f.said) != 1 {
			t.Errorf("a damaged file of authorities: reported %q", f.said)
		}
	}
}

// TestTriedAgain reads a changed file again if the first attempt failed.
func TestTriedAgain(t *testing.T) {
	f := &files{t: t, dir: t.TempDir()}
	f.put("x", []byte("old"))
	fails := 0
	w, err := watch(f.report, func() (string, error) {
		if fails--; fails >= 0 {
			return "", errors.New("too many open files")
		}
		data, err := os.ReadFile(f.path("x"))
		return string(data), err
	}, f.path("x"))
	if err != nil {
		t.Fatal(err)
	}
	f.put("x", []byte("new"))
	fails = 3
	for _, want := range []string{"old", "old", "old", "new", "new"} {
		if got := w.get(); got != want {
			t.Errorf("%s in force; want %s", got, want)
		}
	}
	if len(f.said) != 1 {
		t.Errorf("reported %q", f.said)
	}
}
