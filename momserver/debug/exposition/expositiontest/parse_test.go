package expositiontest

import (
	"strings"
	"testing"
)

// TestParse refuses pages that a scraper would refuse, so that the other tests
// mean something.
func TestParse(t *testing.T) {
	const head = "# HELP m_total h\n# TYPE m_total counter\n"
	const hist = "# HELP h h\n# TYPE h histogram\n"
	if _, err := Parse(head + "m_total 1\n" + hist + "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"); err != nil {
		t.Error(err)
	}
	for _, page := range []string{
		"m 1\n", "# TYPE m gauge\nm 1\n", "# HELP m h\nm 1\n", head, head + "m_total 1", head + "m_total 1\nm_total 2\n", head + "other 1\n",
		head + "m_total -1\n", head + "m_total one\n", head + "m_total{a=\"b} 1\n", head + "m_total{a=\"b\",a=\"c\"} 1\n", head + "m_total{a=\"\\x\"} 1\n", head + "m_total{a=\"\xff\"} 1\n", head + "m_total{a=\"\x00\"} 1\n",
		head + "m_total 1\n" + head + "m_total 1\n", strings.ReplaceAll(head, "counter", "gauge") + "m_total 1\n", "# HELP m h\n# TYPE m counter\nm 1\n",
		hist + "h_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n", hist + "h_bucket{le=\"1\"} 1\nh_sum 3\nh_count 1\n",
		hist + "h_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 1\n", hist + "h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n",
		hist + "h_bucket{le=\"+Inf\"} 2\nh_count 2\n",
	} {
		if _, err := Parse(page); err == nil {
			t.Errorf("taken:\n%s", page)
		}
	}
}
