package tokenauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// BenchmarkMACMismatch asks whether the time of a refusal tells where a forged MAC goes wrong. If it did, a forger could find the
// right first byte by 256 tries, then the second, and would need no secret. It times two HS256 tokens in random order, one whose
// MAC differs in its first byte and one whose MAC differs in its last, and compares the two means by Welch's t-test.
//
// The unit t is that statistic, ns-apart the difference of the means. Beyond ±4.5, the bound that is usual in leakage tests, it is
// not chance; below it nothing was found with that many samples, which is no proof. The control does the same and then compares
// the MAC byte by byte up to the first difference: if its t is small too, the machine was too noisy to see anything.
//
// A busy machine makes figures like these worthless, so they decide no test: `make timing` prints them.
func BenchmarkMACMismatch(b *testing.B) {
	f := newForge("HS256", "", "")
	v := newVerifier(b, configOf(f))
	right := f.good(payload())
	first, last := newForgery(b, right, 0), newForgery(b, right, sha256.Size-1)
	for _, forged := range []forgery{first, last} {
		p, err := v.Verify(b.Context(), forged.token)
		requireRefused(b, p, err, tokenauth.ErrSignature, "signature_bad")
	}
	b.Run("Verifier", func(b *testing.B) {
		reportMismatch(b, first, last, func(forged forgery) { _, _ = v.Verify(b.Context(), forged.token) })
	})
	b.Run("control", func(b *testing.B) {
		reportMismatch(b, first, last, func(forged forgery) {
			_, _ = v.Verify(b.Context(), forged.token)
			if equalUpTo(forged.mac, forged.right) == sha256.Size {
				b.Error("a forged MAC is the right one")
			}
		})
	})
}

// A forgery is a token whose MAC is wrong in one byte.
type forgery struct {
	token      string
	mac, right []byte
}

// newForgery changes byte i of the MAC of a token.
func newForgery(b *testing.B, token string, i int) forgery {
	b.Helper()
	end := strings.LastIndex(token, ".") + 1
	mac, err := base64.RawURLEncoding.DecodeString(token[end:])
	require.NoError(b, err)
	f := forgery{mac: slices.Clone(mac), right: mac}
	f.mac[i] ^= 1
	f.token = token[:end] + segment(string(f.mac))
	return f
}

// equalUpTo compares as nobody should.
func equalUpTo(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

// reportMismatch times work on either forgery, b.N times in all.
func reportMismatch(b *testing.B, first, last forgery, work func(forgery)) {
	r := rand.New(rand.NewPCG(1, 2))
	var times [2][]float64
	for range b.N {
		which := r.IntN(2)
		forged := [...]forgery{first, last}[which]
		forged.token = strings.Clone(forged.token) // so that neither has a place in memory of its own
		began := time.Now()
		work(forged)
		times[which] = append(times[which], float64(time.Since(began)))
	}
	t, apart := welch(withoutOutliers(times))
	b.ReportMetric(t, "t")
	b.ReportMetric(apart, "ns-apart")
}

// withoutOutliers drops what took longer than nine tenths of all: there something else was going on in the machine.
func withoutOutliers(times [2][]float64) [2][]float64 {
	all := slices.Sorted(slices.Values(slices.Concat(times[0], times[1])))
	if len(all) == 0 {
		return times
	}
	limit := all[len(all)*9/10]
	for i := range times {
		times[i] = slices.DeleteFunc(times[i], func(ns float64) bool { return ns > limit })
	}
	return times
}

// welch returns Welch's t for the means of two samples, and the difference of these.
func welch(samples [2][]float64) (t, apart float64) {
	var means, errors [2]float64
	for i, sample := range samples {
		n := float64(len(sample))
		for _, x := range sample {
			means[i] += x / n
		}
		for _, x := range sample {
			errors[i] += (x - means[i]) * (x - means[i]) / (n - 1) / n
		}
	}
	apart = means[1] - means[0]
	return apart / math.Sqrt(errors[0]+errors[1]), apart
}
