package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"

	"mom.internal/wire"
)

// TestWithHint names flags, and no setting that only a program can make.
func TestWithHint(t *testing.T) {
	for _, tc := range []struct {
		code      wire.Code
		say, want string
	}{
		{wire.Timeout, "server:1 did not greet in time (Options.DialTimeout)", "server:1 did not greet in time"},
		{wire.Timeout, "MoM.Subscribe to server:1 is unanswered: context deadline exceeded (Options.CallTimeout)", "MoM.Subscribe to server:1 is unanswered: context deadline exceeded"},
		{wire.Timeout, "server:1 has not answered for 5s (Options.Period)", "server:1 has not answered for 5s (-period)"},
		{wire.Full, "1 subscribers already (Config.MaxSubscribers)", "1 subscribers already (Config.MaxSubscribers)"},
		{wire.Unauthorized, "no (Options.Token)", "no; see -token-file and MOM_TOKEN"},
	} {
		err := withHint(wire.Errorf(tc.code, "%s", tc.say))
		if err.Error() != tc.want || !errors.Is(err, tc.code) {
			t.Errorf("%q became %q; want %q", tc.say, err, tc.want)
		}
	}
	host := wire.Errorf(wire.BadCertificate, "not accepted").WithCause(&tls.CertificateVerificationError{Err: x509.HostnameError{}})
	if got, want := withHint(host).Error(), "not accepted; the certificate must have the host of the server's address in its subjectAltName"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
	if err := withHint(nil); err != nil {
		t.Errorf("nothing became %v", err)
	}
}
