package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/a74cfa30/tokenauth/bench/workload"
)

// What is measured depends on the machine, so that here is only whether figures get where they belong.

func example() build {
	b := build{Go: "go1"}
	for _, library := range workload.Libraries() {
		b.Figures = append(b.Figures, figure{"cold EdDSA", library.Name, 70_000, 1.05, 5}, figure{"cold HS256", library.Name, 7_000, 7, 5})
	}
	return build{Go: "go1", Figures: append(b.Figures, figure{"cold EdDSA", limit, 66_000, 1, 0}, figure{"again", "1000", 440, 1. / 150, 0})}
}

func TestReportTellsWhatIsNotMet(t *testing.T) {
	text := string(report([]build{example()}, machine{processor: "a processor", cores: 2}, "verify cold HS256: 30000\nlimit HS256: 5000\n"))
	for _, want := range []string{
		"a processor, 2 cores",
		"| verify EdDSA, of the limit | 1.060 × | 1.050 × |",
		"| verify HS256, of the limit | 5.000 × | **7.000 ×, not met** |",
		"| the same token again, 1000 live, of the Ed25519 limit | 1/150 | 1/150 |",
		"| 24000 | **25000, not met** |",
		"| golang-jwt | 7.00 ×, 7.0 µs, 5 | – | 1.05 ×, 70 µs, 5 | – |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say: %s", want)
		}
	}
}

func TestChartIsXML(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(string(chart(example()))))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestMedian(t *testing.T) {
	if got := median([]float64{9, 1, 5}); got != 5 {
		t.Error(got)
	}
}
