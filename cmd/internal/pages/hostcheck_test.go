package pages

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCheckHost lets the operator in, and no page of another site.
func TestCheckHost(t *testing.T) {
	h := checkHost(Hosts{"mirror.example", "other.example."}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "in") }))
	for _, tc := range []struct {
		head []string
		code int
	}{
		{[]string{"Host", ""}, http.StatusOK}, // no browser
		{[]string{"Host", "127.0.0.1:6060"}, http.StatusOK},
		{[]string{"Host", "10.0.0.7"}, http.StatusOK}, // an address cannot be made to point elsewhere
		{[]string{"Host", "[::1]:6060"}, http.StatusOK},
		{[]string{"Host", "[::1]"}, http.StatusOK},
		{[]string{"Host", "LocalHost:6060"}, http.StatusOK},
		{[]string{"Host", "localhost."}, http.StatusOK},
		{[]string{"Host", "mirror.example:6060"}, http.StatusOK},
		{[]string{"Host", "Other.Example"}, http.StatusOK},
		{[]string{"Host", "evil.example"}, http.StatusForbidden},
		{[]string{"Host", "evil.example:6060"}, http.StatusForbidden},
		{[]string{"Host", "127.0.0.1.evil.example:6060"}, http.StatusForbidden},
		{[]string{"Host", "localhost.evil.example:6060"}, http.StatusForbidden},
		{[]string{"Host", "evil"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, http.StatusOK},
		{[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, http.StatusOK},
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, http.StatusOK}, // a link on a dashboard
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, http.StatusForbidden},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/", nil)
		for i := 0; i < len(tc.head); i += 2 {
			if r.Header.Set(tc.head[i], tc.head[i+1]); tc.head[i] == "Host" {
				r.Host = tc.head[i+1]
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if body := w.Body.String(); w.Code != tc.code || (body == "in") != (w.Code == http.StatusOK) || strings.Contains(body, "evil") {
			t.Errorf("%v: %d, %.80q", tc.head, w.Code, body)
		}
		if closes := w.Header().Get("Connection") == "close"; closes != (w.Code != http.StatusOK) {
			t.Errorf("%v: closes the connection: %v", tc.head, closes)
		}
	}
}

// TestHosts accepts the name of a host, and refuses a URL, a port or a pattern.
func TestHosts(t *testing.T) {
	var h Hosts
	for _, name := range []string{"", "mirror.example:8420", "http://mirror.example", "mirror.example/mom", "*.example", "mirror..example", "spëgel.example", "::1"} {
		if err := h.Set(name); err == nil || !strings.Contains(err.Error(), "as mirror.example") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"mirror", "xn--spgel-mua.example", "Mirror_7.example."} {
		if err := h.Set(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got := h.String(); got != "mirror xn--spgel-mua.example Mirror_7.example." {
		t.Error(got)
	}
}
