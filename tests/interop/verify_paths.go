// Verifies certification paths with Go's crypto/x509: JSON in, one verdict for each path out.
package main

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"time"
)

type input struct {
	At    int64
	Paths [][][]byte // leaf, CA, root; DER in base64
}

func verdict(path [][]byte, at time.Time) string {
	certificates := make([]*x509.Certificate, len(path))
	for i, der := range path {
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			return err.Error()
		}
		certificates[i] = parsed
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(certificates[2])
	intermediates.AddCert(certificates[1])
	_, err := certificates[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return err.Error()
	}
	return ""
}

func main() {
	var given input
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		panic(err)
	}
	verdicts := []string{}
	for _, path := range given.Paths {
		verdicts = append(verdicts, verdict(path, time.Unix(given.At, 0)))
	}
	json.NewEncoder(os.Stdout).Encode(verdicts)
}
