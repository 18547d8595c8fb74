package legacyhash_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/legacyhash"
)

const plain = "correct horse battery staple"

var (
	_ usher.PasswordVerifier = legacyhash.Werkzeug
	_ usher.PasswordVerifier = legacyhash.FlaskBcrypt
)

// verifiers returns all of them by name.
func verifiers() map[string]usher.PasswordVerifier {
	return map[string]usher.PasswordVerifier{
		"Werkzeug": legacyhash.Werkzeug, "DangerouslyWerkzeug": legacyhash.DangerouslyWerkzeug,
		"Django": legacyhash.Django, "DangerouslyDjango": legacyhash.DangerouslyDjango,
		"Passlib": legacyhash.Passlib, "Argon2": legacyhash.Argon2, "PHC": legacyhash.PHC,
		"FlaskBcrypt": legacyhash.FlaskBcrypt,
	}
}

// realHash is a hash that another system made.
type realHash struct {
	madeBy   string
	verifier string // names of verifiers that recognize it; the others must not
	password string
	hash     string
}

// realHashes are facts: each was made by the software that madeBy names, all of them run with Python 3.11. Where the
// Debian package is older than the format, Python's hashlib computed what the newer version of the library stores.
// They have small costs, so that tests are quick.
func realHashes() []realHash {
	const (
		werkzeug = "Werkzeug 2.2.2, generate_password_hash"
		django   = "Django 3.2.25, encode"
		passlib  = "passlib 1.7.4, hash"
		cffi     = "argon2-cffi 21.1.0, hash"
		composed = "hashlib, Python 3.11"
	)
	return []realHash{
		{werkzeug, "Werkzeug", plain, "pbkdf2:sha1:1000$hjaRxNvBu0xOcMZq$8caf106d3b9ac7472935a49d0fba23cb663dffac"},
		{werkzeug, "Werkzeug", plain, "pbkdf2:sha256:1000$O2yJP90MOH0RaqYO$752632d182e712905e8ce5b8da93fd4562c21427d6bd4b25dee130829ee333fb"},
		{werkzeug, "Werkzeug", plain, "pbkdf2:sha512:1000$Tf9prjWFqBB2X5jy$8c9803a237d43280ef536f919faa705df94ad8c1d476c2727702332a85dd5ba43ccde10ddb921b542de26727290b946d9c564f41546145c2effcf53ba8391d71"},
		{werkzeug, "Werkzeug", strings.Repeat("ü", 200), "pbkdf2:sha256:1000$22xFJSJHZpHL0jrE$adc0cd8d60fbcc7f06b53477298b14e6db2f3893b70d0ef45ea8529b581d63af"},
		{composed + ", as Werkzeug 3.1", "Werkzeug", plain, "scrypt:1024:8:1$EzzSQSZLkmIsBEWY$394d0fe4b43c3817a865eae0c27f2af5272b8c6cc6fcfbd4513cf68d30805ab6df634b6345f3f74932b0f9e11aa51e2208da3ef7cfac43c1479a52c3918d9bb4"},
		{werkzeug, "DangerouslyWerkzeug DangerouslyDjango", plain, "sha1$fICSqPut2bnYDSvC$193af185f20a60f702250b8ec02142c91c340654"},
		{werkzeug, "DangerouslyWerkzeug DangerouslyDjango", plain, "md5$0hSfwiKvSpWv3cla$5f9fe5adf1a6197f8e4fbf8afab81341"},
		{werkzeug, "DangerouslyWerkzeug", plain, "sha256$9TrlIT0ikpo18pFk$9751b4745a6ce0ebd9f4c555e0686fb7c8a27c77c272fed4296cf0c6a92541b0"},
		{werkzeug, "DangerouslyWerkzeug", plain, "sha512$TERpslITvtr3NoEE$3a1add6220c7342abe17d0134f7879a3c2bc808a75dd1a2c9c0a520933885e00cbcb77acbdec0d095654603a6baa616b85bda20e4c445e6c4cfd599e5db20888"},

		{django, "Django", plain, "pbkdf2_sha256$1000$seasalt$3xmXbyk2QpiyNcnoBbzRPwEBsYPTbDlRdtmLyBvQltA="},
		{django, "Django", plain, "pbkdf2_sha1$1000$seasalt$9iRYj0as1r5j+cCBxB+HMlxkyr4="},
		{django, "Django", plain, "argon2$argon2id$v=19$m=512,t=2,p=3$c2Vhc2FsdHNhbHQ$FRPy8A+MdyIvkIY8cvfDEQ"},
		{django, "Django", plain, "bcrypt_sha256$$2b$04$KPiKzd5DJoAHxdgp0TpyquOMzFW/lONfmxYT7do0XbG1VKBI9RXpy"},
		{django, "Django", strings.Repeat("x", 200), "bcrypt_sha256$$2b$04$RHy2mf49sQHTP6K/9oOxKO8ZraOLM40F8wGfA8Jrw34N9hf3MnV3e"},
		{django, "Django", plain, "bcrypt$$2b$04$AsvyIhX414Xyb2.jKOAcN.D5bLIbJL7WsGaMDEQxKL4mUhO0vN9R6"},
		{composed + ", as Django 5.1", "Django", plain, "scrypt$1024$seasalt$8$5$l8suLvyBQg6EEaxiU94A5MqNFA+ifkB9O0nlDrfbkLvhHOHm+Q68fclEV3UJ0Uvj5DZtTFgZbT70Vnq/eAnq0g=="},
		{django, "DangerouslyDjango DangerouslyWerkzeug", plain, "sha1$AJ5YGtlO4ZaTgJe1R114V5$9b4bb211be57353ac699c45290bf8fda34ad0320"},
		{django, "DangerouslyDjango DangerouslyWerkzeug", plain, "md5$bXtV9IsoCpPmZBi5q6f2Rh$87afa67e075b1e8175ce89588a4454d7"},
		{django, "DangerouslyDjango", plain, "sha1$$abf7aad6438836dbe526aa231abde2d0eef74d42"},
		{django, "DangerouslyDjango", plain, "md5$$9cc2ae8a1ba7a93da39b46fc1019c481"},
		{django, "DangerouslyDjango", plain, "9cc2ae8a1ba7a93da39b46fc1019c481"},

		{passlib, "Passlib", plain, "$bcrypt-sha256$v=2,t=2b,r=4$wxmjT9/EmJUfPArTIaJwRu$SiLtmjbNefJ0cUzwclP31sMR4OjLju."},
		{passlib, "Passlib", plain, "$bcrypt-sha256$2b,4$h7C2xqiwBukAfuCHMRSJT.$TRbR8PXZoDn5C541p1hh4qkdsj3DMZW"},
		{passlib, "Passlib", plain, "$bcrypt-sha256$2a,4$R4G5pZhEsyRGrcrspdifI.$QRuBPszhhNHJ4HljLSG9Gn0Brw9i5.."},
		{passlib, "Passlib", strings.Repeat("x", 100), "$bcrypt-sha256$2b,4$1VuDDIyQxPwIwVcPK3xvKu$9xiQ7Fi6elzW71aYBPBITfEnexzoUA6"},
		{passlib, "Passlib", plain, "$pbkdf2$1000$oVRKCYHQ2jtHqBXi/H/vfQ$X9enLzf8IUnzAtR9OlcU7BRrA7U"},
		{passlib, "Passlib", plain, "$pbkdf2-sha256$1000$27tXKqU0plQKIeQ8R8j5/w$Rtf0GHNv60EZ325NLsJzPGjx1voHiqFOmvmfh3kdbRE"},
		{passlib, "Passlib", plain, "$pbkdf2-sha512$1000$fQ8hpNSaM8Z4D.Hce08pBQ$AMn/JWy4ISjQSnBdPMmW3Ld1uRA5EuQB3b6snzDelwIVAVzkopPD8y.gf0qz.8PF1EOI8ITkfwjB1q9ue.NHWg"},
		{passlib, "Passlib", plain, "$6$rounds=1000$Ly9Uv2yhCFms.pyy$8YwdArc5gfjxwgNq1/cidt1lCtooTQHi0bI4ldbSyOrNL21eJrOEN15nw2TaEh/AdhjxGjEe8nrq4i1DqOgiS."},
		{passlib, "Passlib", plain, "$6$UZMl.R6hANxtggry$R4UF9nxAU1zZKKM08AfcNEXn7R.epbzeFr0dNh9w0tt7CMOiMl6zqEJFVz.X3nfm4BUaFk0GrDqEQcEa7lPBH/"},
		{passlib, "Passlib", plain, "$5$rounds=1000$yaPqrn8pgjDj.7As$vggmJd8tldGPOejBba8HjbPtzRmIy4iP9cJ5Y7aw3LB"},
		{passlib, "Passlib", plain, "$5$t.88sOnlpmqSGQLk$GF4rrIRrjL3mg5sZzU5c35EQgb48yO04t3kPgEI6W46"},
		{passlib, "Passlib", "", "$6$rounds=1000$6TLnCZ8P6PnE8HVJ$p.f9ZZbEwEiwIoP2CqXQpe1m1uCIDand5dxc8UyIWvXWHKx8SsDMZhWT4XpTwozBwQWiIWI1RbKNKeYRyXJaR0"},
		{passlib, "Passlib", "x", "$6$rounds=1000$ov/tsFav0k5g1lES$iwhm1PBeCTjhyaDOCMUKwi1zR2NbfeYZN1a.DC6QnFZaGgXDOC798uacCu/ExWbOnKM0Hs9TNfdUaLFEr0Hq61"},
		{passlib, "Passlib", strings.Repeat("x", 64), "$6$rounds=1000$yzi2gjA4dxtton39$vFrb1cUZyCEtmBQ6ACPraGiXzLD/Z6GPfJdfGXN14RvUA2eaSzAf/S.IbpodKfq.4jrVgfrB/J5SD0g38t0HM0"},
		{passlib, "Passlib", strings.Repeat("x", 65), "$6$rounds=1000$7pDijH.Ae8rGbAAS$.gNiXZBK.u8j8Ne31IxkpvM87RkJDZoIDG41CVmS8iCxn2qP7Hv5SiL5kA5CYmnjQza8XbH3vdedsyP47ZTpF."},
		{passlib, "Passlib", strings.Repeat("x", 256), "$6$rounds=1000$.NIg5LDW.NsmJY6Q$OULFOGfV3FS8xjwkWLCq7a4fgW8aUxc0R83wAqL.8y6rwX2XPPsR3KJDQTBFTmVg5Jlr9b6b2PxXOPwlW8D301"},
		{passlib, "Passlib", "", "$5$rounds=1000$0GajJ07OtFLs1Xe/$it9aCX8RGaNReqt0e43WYT2/AoD1HRWoHFYb/BakSx."},
		{passlib, "Passlib", strings.Repeat("x", 63), "$5$rounds=1000$wE7WV/PoRBfAzbnc$M/lK3NVK22dTR21D/EtRFo078F0cgxnkHCaUpQKdbsD"},
		{passlib, "Passlib", strings.Repeat("x", 256), "$5$rounds=1000$XzLSkA47DffUp9to$nbJ/k92L6J9m8mPRW6rrnZ3KsOn98T/9oVX/BgfRBSD"},
		{passlib, "Passlib PHC", plain, "$scrypt$ln=8,r=8,p=2$gpCS8t7bm9P6v1dKyfm/Fw$8DmCagVAjmIj2Qnc/y+WmmWIW8kt3zjSgm2NHiCzZo0"},
		{passlib, "Passlib Argon2 PHC", plain, "$argon2id$v=19$m=512,t=2,p=3$hhAiJORcKyXk3FsLgZAyJg$dhw3jaHyPg8YWWfuEyCNPQ"},
		{passlib, "Passlib Argon2 PHC", plain, "$argon2i$v=19$m=64,t=2,p=1$CGHsfS+FMEZIaW2N8f6fkw$09z7huQ034PWn/GCtMc2+A"},

		{cffi, "Passlib Argon2 PHC", plain, "$argon2id$v=19$m=64,t=1,p=4$igMUfUPv6A4$T9DbEbncRgHzu6/cxcmFVJWIPEMVKqS+Sxe4n2PuGlWSY1AMDjq06iLteU2GnlzKYqNdGWiVQSmpLiA7HoKMnQ"},
		{cffi, "Passlib Argon2 PHC", plain, "$argon2i$v=19$m=64,t=3,p=4$Dcp0g/82b5/Q4gaDtVnlxw$1YA1RhMHz6FZ79BnqFoCpA"},
		{composed, "PHC", plain, "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$yqSq2SygY1sB4EcH9f2FG0JTMES+wqLsOT5YmiRBplI"},
		{composed, "PHC", plain, "$pbkdf2-sha512$i=1000,l=64$MDEyMzQ1Njc4OWFiY2RlZg$5bTW2oeyDJyGJPcmEr+mRDE11ghpozWrDGnSNhRXo2ZCu0KHRDiUMAVEGzLJC+oDhRoeIja9J1iLIv9ptDJMfQ"},

		// bcrypt.hashpw(hashlib.sha256(password.encode()).hexdigest().encode(), bcrypt.gensalt(4)), as Flask-Bcrypt does
		{"bcrypt 3.2.2", "FlaskBcrypt", strings.Repeat("x", 200), "flask-bcrypt$$2b$04$g/GeCTgYCVugc0tZNYkAY.jl70oPeDgmOLTCsDVabyEz1EPE9Pq.e"},
	}
}

// publishedVectors are of the documents that specify the formats.
func publishedVectors() []realHash {
	const django = "Django 5.1, tests/auth_tests/test_hashers.py"
	const drepper = "Unix crypt using SHA-256 and SHA-512, 2007; glibc 2.36 makes the same"
	return []realHash{
		{django, "Django", "lètmein", "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=="},
		{drepper, "Passlib", "Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"},
		{drepper, "Passlib", "Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
		{drepper, "Passlib", "Hello world!", "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."},
	}
}

// defaultHashes are at the costs that the libraries choose by themselves.
func defaultHashes() []realHash {
	return []realHash{
		{"Werkzeug 2.2.2", "Werkzeug", plain, "pbkdf2:sha256:260000$xinRfwSzgCSj0fbq$7a4c4b6e38d46e029d27743c9372a76ec463e2c7d91b613a9908bca86cec6bf4"},
		{"hashlib, as Werkzeug 3.1 for pbkdf2", "Werkzeug", plain, "pbkdf2:sha256:1000000$EzzSQSZLkmIsBEWY$23d617fea1d4042cacb00ea52da2492bf72adca48d0871638357143d441b4b3f"},
		{"hashlib, as Werkzeug 3.1", "Werkzeug", plain, "scrypt:32768:8:1$EzzSQSZLkmIsBEWY$519aff2ad6e7699e25d96c80bf91b217a1d004dd2f3cd0a40ea707b8e4df38dbf43e95d2a3a43a6c89b38a6821f266d71aafd4a2865ef60beb37158b3cd078e3"},
		{"Django 3.2.25", "Django", plain, "pbkdf2_sha256$260000$qzo9oCyNJGWjN6GAwDVt2m$zhiniJakEV9ULa7Xcz6vABPi9HrylTdDghar3bnPGwc="},
		{"Django 3.2.25", "Django", plain, "pbkdf2_sha1$260000$y3vPVYRGyiXvCTjlPyLLEE$T9jyGSFSufFIvtB+ABV1LWigF60="},
		{"Django 3.2.25", "Django", plain, "argon2$argon2id$v=19$m=102400,t=2,p=8$Y1JJVmNKTUM0VGlYUDNOUzg2eFNBQw$LEq7y5y4TkA244oap7c+pg"},
		{"Django 3.2.25", "Django", plain, "bcrypt_sha256$$2b$12$EViXJM.aHlsJlqrehFXoMOSf8jw5DNtNMIgD.rPrHgRiU9TzVLISm"},
		{"Django 3.2.25", "Django", plain, "bcrypt$$2b$12$ePKn/o6kb0ngQGgWVkmRM./uQcHH3x3z2RDfQNP5xrKj142Qx8myO"},
		{"hashlib, as Django 6.0", "Django", plain, "pbkdf2_sha256$1200000$seasalt$ygJ1GcjiEbRD+S5faSnX2RYwZWdS7nVpgEPxXdVPr9c="},
		{"hashlib, as Django 5.1", "Django", plain, "scrypt$16384$seasalt$8$5$RkFDF7kMEVKsl4oHF12VixVtWtDaHns0Kvst1/3H3nJbmItApuESEXj354YWcslyNEeYXVQh4/Y8GTclx0TaJA=="},
		{"passlib 1.7.4", "Passlib", plain, "$bcrypt-sha256$v=2,t=2b,r=12$pPAZlJfaCCWu/9B1VKGGH.$WYn8LUsPNj6v7/oxDEVgiLoQ8CxXWEm"},
		{"passlib 1.7.4", "Passlib", plain, "$pbkdf2$131000$M6Y0hrCWMgag1BpjTMlZKw$Yi7IfV66G4Pk0WCl8LwNmKSREqU"},
		{"passlib 1.7.4", "Passlib", plain, "$pbkdf2-sha256$29000$2Pt/LwXg/L.3NuYc4zznPA$a/unNQm8DmLywdZOZfVZDlnfR1ZScGWDSMmeU3sRExc"},
		{"passlib 1.7.4", "Passlib", plain, "$pbkdf2-sha512$25000$jZHSes9Zy9lbC0HIOacUAg$.qI0ycUWhoR3XZfB0zwqT7wAHmj2kaYWMDY8mp11db7aS4ABO30OcO.q5BxxDySDkAT.XR9/wEO6ujC6kzxqng"},
		{"passlib 1.7.4", "Passlib", plain, "$6$rounds=656000$ktaSZ4d0hHBpthHH$7WSp82Ye3VkJQyPZZa.9VivUD4pFymGtoH5cOliKTGv.OegbONqxilw7TWsNEZ4b.HMlD9D4hG7MvWal1KdhM."},
		{"passlib 1.7.4", "Passlib", plain, "$5$rounds=535000$ycrIHT.27W2koB0v$k4zcYuQft7ksfG0GRzooPbcJWBUD0E3vFfT5l2UJl/5"},
		{"passlib 1.7.4", "Passlib PHC", plain, "$scrypt$ln=16,r=8,p=1$LMXYu3du7X3PmfP+H6NUSg$/Y/yUhVRb8j3DRTk+/t06WIlGbW4vefy1+y11/5fm/Y"},
		{"passlib 1.7.4", "Passlib Argon2 PHC", plain, "$argon2id$v=19$m=102400,t=2,p=8$7F3LmfM+JySklLIW4hyjlA$iThG6wSUautj1acWa+LuCw"},
		{"argon2-cffi 21.1.0", "Passlib Argon2 PHC", plain, "$argon2id$v=19$m=102400,t=2,p=8$ExbU2be8B+SEl3tifPuBQQ$r5kQ8n6ye+i0zLyzo6ysYA"},
	}
}

// sameText are the verifiers that recognize a text, but by another formula.
func sameText(h realHash, verifier string) bool {
	names := strings.Fields(h.verifier)
	return strings.HasPrefix(verifier, "Dangerously") && names[0] != verifier
}

func TestHashesOfOtherSystemsVerify(t *testing.T) {
	for _, h := range append(realHashes(), publishedVectors()...) {
		for name, verifier := range verifiers() {
			recognized, match := verifier(h.hash, h.password)
			want := strings.Contains(" "+h.verifier+" ", " "+name+" ")
			if recognized != want || match != (want && !sameText(h, name)) {
				t.Errorf("%s of %s, %q: recognized %t, match %t", name, h.madeBy, h.hash, recognized, match)
			}
			if !want {
				continue
			}
			for _, wrong := range []string{h.password + "x", "x" + h.password, strings.ToUpper(h.password) + "\x00", strings.Repeat("y", 1<<16)} {
				if recognized, match := verifier(h.hash, wrong); !recognized || match {
					t.Errorf("%s of %q takes %.20q: recognized %t, match %t", name, h.hash, wrong, recognized, match)
				}
			}
		}
	}
}

func TestHashesOfDefaultCostVerify(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, h := range defaultHashes() {
		for name := range strings.FieldsSeq(h.verifier) {
			start := time.Now()
			if recognized, match := verifiers()[name](h.hash, h.password); !recognized || !match {
				t.Errorf("%s of %s, %q: recognized %t, match %t", name, h.madeBy, h.hash, recognized, match)
			}
			t.Logf("%4d ms: %s of %.44s", time.Since(start).Milliseconds(), name, h.hash)
		}
	}
}

func TestHashesAreReadStrictly(t *testing.T) {
	for _, h := range realHashes() {
		for _, broken := range []string{
			"", " " + h.hash, h.hash + " ", h.hash + "\n", h.hash + "\x00", h.hash + "=", h.hash + "$", "$" + h.hash,
			h.hash[:len(h.hash)-1], h.hash + strings.Repeat("a", 2000),
		} {
			for name, verifier := range verifiers() {
				if recognized, match := verifier(broken, h.password); recognized || match {
					t.Errorf("%s of %.200q: recognized %t, match %t", name, broken, recognized, match)
				}
			}
		}
	}
}

func TestMalformedHashesAreNotRecognized(t *testing.T) {
	hex32, hex64 := strings.Repeat("ab", 32), strings.Repeat("ab", 64)
	const sum, salt = "yqSq2SygY1sB4EcH9f2FG0JTMES+wqLsOT5YmiRBplI", "MDEyMzQ1Njc4OWFiY2RlZg"
	bcrypt := "$2b$04$AsvyIhX414Xyb2.jKOAcN.D5bLIbJL7WsGaMDEQxKL4mUhO0vN9R6"
	for _, hash := range []string{
		"pbkdf2:sha256:01000$salt$" + hex32, "pbkdf2:sha256:+1000$salt$" + hex32, "pbkdf2:sha256:$salt$" + hex32,
		"pbkdf2:sha256:0$salt$" + hex32, "pbkdf2:sha256$salt$" + hex32, "pbkdf2:sha256:1000:1$salt$" + hex32,
		"pbkdf2:md5:1000$salt$" + hex32[:32], "pbkdf2:sha3:1000$salt$" + hex32, "pbkdf2:sha256:1000$$" + hex32,
		"pbkdf2:sha256:1000$salt$" + strings.ToUpper(hex32), "pbkdf2:sha256:1000$salt$" + hex32[:62], "pbkdf2:sha256:1000$salt$" + hex32 + "ab",
		"pbkdf2:sha256:1000$salt$", "pbkdf2:sha256:1000$salt", "pbkdf1:sha256:1000$salt$" + hex32,
		"scrypt:1024:8$salt$" + hex64, "scrypt:1000:8:1$salt$" + hex64, "scrypt:1:8:1$salt$" + hex64, "scrypt:1024:0:1$salt$" + hex64,
		"scrypt:1024:8:0$salt$" + hex64, "scrypt:1024:8:1$$" + hex64, "scrypt:1024:8:1$salt$" + hex32, "script:1024:8:1$salt$" + hex64,
		"sha224$salt$" + hex32[:56], "sha1$salt$" + hex32, "sha256$$" + hex32, "md5$" + hex32[:32], hex32, hex32[:30], strings.ToUpper(hex32[:32]),
		"pbkdf2_sha512$1000$seasalt$" + sum + "=", "pbkdf2_sha256$1000$seasalt$" + sum, "pbkdf2_sha256$x$seasalt$" + sum + "=",
		"pbkdf2_sha256$1000$$" + sum + "=", "pbkdf2_sha1$1000$seasalt$" + sum + "=", "pbkdf1_sha256$1000$seasalt$" + sum + "=",
		"scrypt$1024$seasalt$8$1$" + sum + "=", "scrypt$1024$seasalt$8$" + sum + "=", "script$1024$seasalt$8$1$" + sum + "=",
		"argon2$argon2d$v=19$m=512,t=2,p=3$" + salt + "$" + sum, "argon2argon2id$v=19$m=512,t=2,p=3$" + salt + "$" + sum,
		"bcrypt_sha256" + bcrypt, "bcrypt" + bcrypt, "bcrypt$" + bcrypt[:59], "bcrypt_sha256$" + bcrypt[:59], "bcrypt$$2b$03" + bcrypt[6:],
		"flask-bcrypt$" + bcrypt[:59], "flask-bcrypt" + bcrypt, bcrypt, "$2b$04$", "$$$$", "$$$$$", ":::$$",
		"$argon2d$v=19$m=64,t=3,p=4$" + salt + "$" + sum, "$argon2id$v=16$m=64,t=3,p=4$" + salt + "$" + sum, "$argon2id$m=64,t=3,p=4$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,p=4,t=3$" + salt + "$" + sum, "$argon2id$v=19$m=64,t=3$" + salt + "$" + sum, "$argon2id$v=19$m=64,t=3,p=4,keyid=x$" + salt + "$" + sum,
		"$argon2id$v=19$m=31,t=3,p=4$" + salt + "$" + sum, "$argon2id$v=19$m=64,t=0,p=4$" + salt + "$" + sum, "$argon2id$v=19$m=64,t=3,p=0$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=3,p=4$$" + sum, "$argon2id$v=19$m=64,t=3,p=4$" + salt + "$", "$argon2id$v=19$m=64,t=3,p=4$" + salt + "$" + sum[:14],
		"$argon2id$v=19$m=64,t=3,p=4$" + salt + "$" + strings.Repeat("A", 176), "x$argon2id$v=19$m=64,t=3,p=4$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=3,p=4$" + salt + "$" + sum[:20] + "\n" + sum[20:], "$argon2id$v=19$m=064,t=3,p=4$" + salt + "$" + sum,
		"$scrypt$ln=31,r=8,p=1$" + salt + "$" + sum, "$scrypt$ln=8,r=8$" + salt + "$" + sum, "$scrypt$n=8,r=8,p=1$" + salt + "$" + sum, "x$scrypt$ln=8,r=8,p=1$" + salt + "$" + sum,
		"$pbkdf2-sha256$i=1000,l=31$" + salt + "$" + sum, "$pbkdf2-sha1$i=1000,l=32$" + salt + "$" + sum, "$pbkdf2-sha256$l=32,i=1000$" + salt + "$" + sum,
		"$pbkdf2-sha1$1000$" + salt + "$" + sum[:27], "$pbkdf2-sha256$1000$" + salt + "$" + sum, // a plus is no passlib
		"x$pbkdf2-sha256$1000$" + salt + "$" + strings.ReplaceAll(sum, "+", "."), "x$pbkdf2-sha256$i=1000,l=32$" + salt + "$" + sum,
		"$pbkdf2-sha256$1000$" + salt + "$" + strings.ReplaceAll(sum, "+", ".")[:42] + "J", // spare bits
		"$5$rounds=999$salt$" + strings.Repeat(".", 43), "$5$rounds=01000$salt$" + strings.Repeat(".", 43), "$5$rounds=$salt$" + strings.Repeat(".", 43),
		"$5$salt$" + strings.Repeat(".", 42), "$6$salt$" + strings.Repeat(".", 43), "$6$$" + strings.Repeat(".", 86), "$6$seventeencharacte$" + strings.Repeat(".", 86),
		"$6$s:lt$" + strings.Repeat(".", 86), "$6$rounds=5000", "$7$salt$" + strings.Repeat(".", 86),
		"$bcrypt-sha256$v=1,t=2b,r=4$wxmjT9/EmJUfPArTIaJwRu$SiLtmjbNefJ0cUzwclP31sMR4OjLju.", "$bcrypt-sha256$2y,4$h7C2xqiwBukAfuCHMRSJT.$TRbR8PXZoDn5C541p1hh4qkdsj3DMZW",
		"$bcrypt-sha256$2b,3$h7C2xqiwBukAfuCHMRSJT.$TRbR8PXZoDn5C541p1hh4qkdsj3DMZW", "$bcrypt-sha256$2b,$h7C2xqiwBukAfuCHMRSJT.$TRbR8PXZoDn5C541p1hh4qkdsj3DMZW",
	} {
		for name, verifier := range verifiers() {
			if recognized, match := verifier(hash, plain); recognized || match {
				t.Errorf("%s of %q: recognized %t, match %t", name, hash, recognized, match)
			}
		}
	}
}

// What asks for too much is refused at once: all of these together would take hours and hundreds of gigabytes.
func TestLimitsAreCheckedBeforeAnyWork(t *testing.T) {
	hex32, hex64 := strings.Repeat("ab", 32), strings.Repeat("ab", 64)
	const sum, salt = "yqSq2SygY1sB4EcH9f2FG0JTMES+wqLsOT5YmiRBplI", "MDEyMzQ1Njc4OWFiY2RlZg"
	long := strings.Repeat("A", 86)
	bcrypt := "$AsvyIhX414Xyb2.jKOAcN.D5bLIbJL7WsGaMDEQxKL4mUhO0vN9R6"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	for _, hash := range []string{
		"pbkdf2:sha256:5000001$salt$" + hex32, "pbkdf2:sha512:999999999$salt$" + hex64, "pbkdf2:sha256:99999999999999999999$salt$" + hex32,
		"scrypt:524288:8:1$salt$" + hex64, "scrypt:262144:9:1$salt$" + hex64, "scrypt:262144:8:3$salt$" + hex64, "scrypt:2:33:1$salt$" + hex64, "scrypt:2:1:33$salt$" + hex64,
		"scrypt:2:999999999:999999999$salt$" + hex64, "scrypt:536870912:1:1$salt$" + hex64,
		"pbkdf2_sha256$5000001$seasalt$" + sum + "=", "scrypt$16384$seasalt$999999$1$" + long + "==", "scrypt$1048576$seasalt$8$1$" + long + "==",
		"argon2$argon2id$v=19$m=262145,t=1,p=1$" + salt + "$" + sum,
		"bcrypt$$2b$15" + bcrypt, "bcrypt_sha256$$2b$31" + bcrypt, "flask-bcrypt$$2b$15" + bcrypt,
		"$bcrypt-sha256$2b,15$h7C2xqiwBukAfuCHMRSJT.$TRbR8PXZoDn5C541p1hh4qkdsj3DMZW", "$bcrypt-sha256$v=2,t=2b,r=31$wxmjT9/EmJUfPArTIaJwRu$SiLtmjbNefJ0cUzwclP31sMR4OjLju.",
		"$pbkdf2-sha256$5000001$" + salt + "$" + strings.ReplaceAll(sum, "+", "."),
		"$argon2id$v=19$m=262145,t=1,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=262144,t=5,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=2097152,t=1,p=4$" + salt + "$" + sum,
		"$argon2id$v=19$m=8,t=131073,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=65536,t=1,p=65$" + salt + "$" + sum, "$argon2i$v=19$m=999999999,t=999999999,p=255$" + salt + "$" + sum,
		"$scrypt$ln=19,r=8,p=1$" + salt + "$" + sum, "$scrypt$ln=30,r=1,p=1$" + salt + "$" + sum,
		"$pbkdf2-sha256$i=2500001,l=64$" + salt + "$" + long[:86], "$pbkdf2-sha256$i=5000001,l=32$" + salt + "$" + sum,
		"$5$rounds=2000001$salt$" + strings.Repeat(".", 43), "$6$rounds=999999999$salt$" + strings.Repeat(".", 86),
	} {
		for name, verifier := range verifiers() {
			if recognized, match := verifier(hash, plain); recognized || match {
				t.Errorf("%s of %q: recognized %t, match %t", name, hash, recognized, match)
			}
		}
	}
	runtime.ReadMemStats(&after)
	if took, allocated := time.Since(start), after.TotalAlloc-before.TotalAlloc; took > 5*time.Second || allocated > 1<<20 {
		t.Errorf("refusing took %v and %d bytes", took, allocated)
	}
}

func TestLanesRunOnOneCore(t *testing.T) {
	const hash = "$argon2id$v=19$m=512,t=8,p=8$hhAiJORcKyXk3FsLgZAyJg$dhw3jaHyPg8YWWfuEyCNPQ"
	before := runtime.NumGoroutine()
	most := make(chan int)
	done := make(chan struct{})
	go func() {
		count := 0
		for {
			select {
			case <-done:
				most <- count
				return
			default:
				count = max(count, runtime.NumGoroutine())
				runtime.Gosched()
			}
		}
	}()
	for range 20 {
		if recognized, _ := legacyhash.Argon2(hash, plain); !recognized {
			t.Fatal("not recognized")
		}
	}
	close(done)
	if got := <-most; got > before+1 {
		t.Errorf("%d goroutines while 8 lanes are computed, %d before", got, before)
	}
}

func TestLongPasswordsDoNotMatchCryptHashes(t *testing.T) {
	// passlib 1.7.4: sha512_crypt.using(rounds=1000).hash("x" * 256)
	const hash = "$6$rounds=1000$.NIg5LDW.NsmJY6Q$OULFOGfV3FS8xjwkWLCq7a4fgW8aUxc0R83wAqL.8y6rwX2XPPsR3KJDQTBFTmVg5Jlr9b6b2PxXOPwlW8D301"
	for length, want := range map[int]bool{255: false, 256: true, 257: false, 1 << 20: false} {
		if recognized, match := legacyhash.Passlib(hash, strings.Repeat("x", length)); !recognized || match != want {
			t.Errorf("%d bytes: recognized %t, match %t", length, recognized, match)
		}
	}
}

func TestPasswordsThatBcryptTruncatesDoNotMatch(t *testing.T) {
	// Python, bcrypt 3.2.2: bcrypt.hashpw(b"x" * 73, bcrypt.gensalt(4)), which reads 72 bytes
	const hash = "bcrypt$$2b$04$GpycQOayCz64b.0xluLvBOl6jRsg2atOF6XD6indH.LUadZU331XG"
	for length, want := range map[int]bool{71: false, 72: true, 73: false, 1000: false} {
		if recognized, match := legacyhash.Django(hash, strings.Repeat("x", length)); !recognized || match != want {
			t.Errorf("%d bytes: recognized %t, match %t", length, recognized, match)
		}
	}
}

func TestDjangosUnusablePasswordsMatchNothing(t *testing.T) {
	for _, hash := range []string{"!", "!s4EZPmRsItgIa9Lsx2iDn1HDiKUfhtPSaQUS7mgU"} {
		for _, password := range []string{"", "!", hash, plain} {
			if recognized, match := legacyhash.Django(hash, password); !recognized || match {
				t.Errorf("%q: recognized %t, match %t", hash, recognized, match)
			}
		}
	}
}

func TestUsersAreUpgradedAtTheirLogin(t *testing.T) {
	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{
		Cost: 4, MinLength: 1, AnyLength: true,
		Legacy: []usher.PasswordVerifier{
			legacyhash.Werkzeug, legacyhash.Django, legacyhash.Passlib, legacyhash.Argon2, legacyhash.PHC, legacyhash.FlaskBcrypt,
		},
	}))
	for _, h := range realHashes() {
		if strings.HasPrefix(h.verifier, "Dangerously") || strings.Contains(h.hash, "v=2") {
			continue // the last of these is usher's own format, too
		}
		rehash, err := passwords.Check(t.Context(), h.hash, h.password)
		if err != nil || rehash == "" {
			t.Errorf("Check of %q = %q, %v", h.hash, rehash, err)
		} else if again, err := passwords.Check(t.Context(), rehash, h.password); again != "" || err != nil {
			t.Errorf("Check of %q = %q, %v", rehash, again, err)
		}
	}
}

func FuzzVerifiers(f *testing.F) {
	for _, h := range realHashes() {
		f.Add(h.hash, h.password)
	}
	f.Fuzz(func(t *testing.T, hash, password string) {
		for name, verifier := range verifiers() {
			recognized, match := verifier(hash, password)
			if match && !recognized {
				t.Errorf("%s of %q: a match that is not recognized", name, hash)
			}
			if again, _ := verifier(hash, password+"x"); again != recognized {
				t.Errorf("%s of %q: what is recognized depends on the password", name, hash)
			}
		}
	})
}
