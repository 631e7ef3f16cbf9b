package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/wire/duplex"
)

// The bounds of a POST.
const (
	postTime    = 15 * time.Second // for all of it, with its redirects
	maxRedirect = 10
	maxAnswer   = 4 << 10   // bytes of the answer that are read
	maxShown    = 100       // bytes of the answer that an error quotes
	maxLater    = time.Hour // the longest pause that a receiver may ask for
)

// idHeader has the ID of the alert, in every format. It is the same each time that
// the message is sent.
const idHeader = "Idempotency-Key"

// poster posts to a URL.
type poster struct {
	url    *url.URL
	format string
	client *http.Client
	now    func() time.Time
}

func newPoster(u *url.URL, format string) *poster {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 1
	return &poster{url: u, format: format, now: time.Now, client: &http.Client{Transport: transport, CheckRedirect: checkRedirect}}
}

// errRedirect is the error of a redirect that is not followed.
type errRedirect struct{ text string }

func (e *errRedirect) Error() string { return e.text }

// checkRedirect follows 307 and 308, which repeat the POST with its body. Other
// redirects would repeat the request as a GET without the message.
func checkRedirect(next *http.Request, via []*http.Request) error {
	switch {
	case next.Method != http.MethodPost:
		return &errRedirect{fmt.Sprintf("it redirects to %s://%s with %d, which would drop the message; give -notify the URL to which it redirects", next.URL.Scheme, next.URL.Host, next.Response.StatusCode)}
	case len(via) > maxRedirect:
		return &errRedirect{fmt.Sprintf("it redirects more than %d times", maxRedirect)}
	case via[0].URL.Scheme == "https" && next.URL.Scheme != "https":
		return &errRedirect{fmt.Sprintf("it redirects from https to %s://%s", next.URL.Scheme, next.URL.Host)}
	}
	return nil
}

// deliver posts the alert.
func (p *poster) deliver(ctx context.Context, a *alert.Alert) error {
	target := p.url
	if p.format == "ping" {
		path, _ := pingPath(a)
		target = target.JoinPath(path)
		if path == "" {
			target = p.url // JoinPath would end it in a slash
		}
	}
	text, contentType, err := body(p.format, a)
	if err != nil {
		return &Refusal{err}
	}
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(text))
	if err != nil {
		return withoutURL(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "momclient")
	req.Header.Set(idHeader, a.ID.String())
	resp, err := p.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return p.verdict(resp, answer)
}

// withoutURL returns the error of a failed request without the URL, which may
// contain a secret.
func withoutURL(err error) error {
	var of *url.Error
	if !errors.As(err, &of) {
		return err
	}
	if of.Timeout() {
		return fmt.Errorf("no answer within %v", postTime)
	}
	return of.Err
}

// verdict returns nil if the answer says that the message was taken.
func (p *poster) verdict(resp *http.Response, answer []byte) error {
	code := resp.StatusCode
	if code >= 200 && code < 300 {
		return nil
	}
	said := ""
	if line, _, _ := strings.Cut(strings.TrimSpace(string(answer)), "\n"); line != "" && !strings.HasPrefix(line, "<") {
		said = ": " + output.Clean(duplex.Clip(strings.TrimSpace(line), maxShown))
	}
	err := fmt.Errorf("it answers %d %s%s", code, http.StatusText(code), said)
	switch code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if after := retryAfter(resp.Header.Get("Retry-After"), p.now()); after > 0 {
			return &Later{After: after, Err: err}
		}
	case http.StatusBadRequest, http.StatusLengthRequired, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return &Refusal{err}
	}
	return err
}

// retryAfter returns the pause that a Retry-After header asks for, in seconds or by
// a date. It returns 0 if the header is missing or wrong.
func retryAfter(value string, now time.Time) time.Duration {
	var after time.Duration
	if seconds, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32); err == nil {
		after = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		after = at.Sub(now)
	}
	return min(max(0, after), maxLater)
}
