// Package c2sign is the platform's auth-v2 request signature ("C2 authentication",
// cec_07_0003): signing, verifying, and an http.RoundTripper that signs.
//
//	Authorization: auth-v2/{ak}/{timestamp}/{signedHeaders}/{signature}
//	               └──────────────── prefix ────────────────┘
//	signingKey = hex(HMAC-SHA256(key = sk, prefix))
//	signature  = hex(HMAC-SHA256(key = the 64 characters of signingKey, canonicalRequest))
//
//	canonicalRequest = METHOD LF
//	                   path, as sent LF
//	                   query, encoded and sorted LF      only when there is one, see Profile.EmptyQueryLine
//	                   signedHeaders LF
//	                   name:encoded value LF             for each signed header, sorted
//	                   encoded body                      no LF
//
// Invariants:
//   - Everything but the Transport is a pure function of its arguments, time included.
//   - The body is always under the signature, whatever headers are listed.
//   - Nothing verifies without a secret: unknown access keys and empty secrets never match.
//   - Secrets and signatures appear in no error, and no way of printing a Key, or
//     what holds one, shows its secret.
package c2sign
