// Package httpauth puts a tokenauth.Verifier in front of HTTP handlers.
//
// A [Guard] is made once for a service. Its Handler proves the caller of each request and hands the handler behind it a
// tokenauth.Principal; its Require asks one scope question besides:
//
//	guard, err := httpauth.New(httpauth.Config{Verifier: verifier, Realm: "deployments"})
//
//	mux.Handle("GET /me", guard.Handler(me))
//	mux.Handle("POST /deployments/{name}", guard.Require("deployment", httpauth.PathValue("name"), tokenauth.LevelWrite)(deploy))
//
//	func me(w http.ResponseWriter, r *http.Request) {
//		fmt.Fprintln(w, tokenauth.PrincipalFrom(r.Context()).Subject())
//	}
//
// # What is a credential
//
// One Authorization header with one Bearer token (RFC 6750, section 2.1), and nothing else: no query parameter, no form field. Where
// Config.Cookie names one, a cookie counts too, but only in a request without any Authorization header, and then
// net/http.CrossOriginProtection has its say: a browser sends a cookie for whoever asks it to. A header that is there is the
// credential. If it is bad, no cookie rescues it, and a guard with Optional does not take its sender for anonymous.
//
// A shared cache keeps no answer to a request with an Authorization header unless it is told to (RFC 9111, section 3.5), but knows of no
// cookie. So where Config.Cookie is set, an answer varies by Cookie, and one to a caller proven by the cookie begins as Cache-Control:
// private; a handler may say something else. Behind Check and Authorize alone, that is the caller's to say.
//
// After success the credential is taken out of the request that is passed on, so that no handler, proxy or log behind the guard
// has it. What stands in front of the guard has seen it.
//
// # What the caller is answered
//
//	the error wraps        status  WWW-Authenticate: Bearer realm="…"
//	ErrMissingToken        401     no error code: RFC 6750, section 3.1
//	ErrInvalidToken        401     error="invalid_token"
//	ErrForbidden           403     error="insufficient_scope", and scope="deployment:web:write" where that was what was needed
//	ErrUnavailable         503     none, but Retry-After
//	ErrInvalidRequest      400     error="invalid_request"
//	ErrNotFound, ErrExists 404, 409
//	anything else          500
//
// A header that is no Bearer credential at all (Basic, or a token without the word Bearer) is answered as a missing one, since the caller
// knows no better; everything else that is wrong with it is ErrMalformed, two headers included. A refusal is never
// cached (no-store). Its body is {"error": code, "message": sentence}, where code is tokenauth.ErrorCode and neither holds a word of
// the request, the token or a store's answer. Config.Body writes another one.
//
// # Other routers
//
// chi's middlewares are functions from http.Handler to http.Handler, and so are guard.Handler and what guard.Require returns:
// r.Use(guard.Handler). For ids of chi use [IDFunc] with chi.URLParam; note that chi hands out a path that was sent escaped as it was
// sent, so ask about the very string that the handler will use.
//
// gin and echo have handlers of their own; [Guard.Admit] is their door. For gin:
//
//	func gate(c *gin.Context) {
//		r, ok := guard.Admit(c.Writer, c.Request)
//		if !ok {
//			c.Abort()
//			return
//		}
//		c.Request = r
//	}
//
// For echo:
//
//	func gate(next echo.HandlerFunc) echo.HandlerFunc {
//		return func(c echo.Context) error {
//			r, ok := guard.Admit(c.Response(), c.Request())
//			if !ok {
//				return nil // answered already
//			}
//			c.SetRequest(r)
//			return next(c)
//		}
//	}
//
// In both, a scope question is guard.Authorize(c.Request, "deployment", c.Param("name"), tokenauth.LevelWrite) behind the gate, and its
// error goes to guard.Refuse.
//
// # What it does not do
//
// It does not limit rates, does not answer CORS preflights (which carry no credential: let them be answered in front of the guard),
// and does not look at the TLS connection. Of a request that it refuses before there is a token to judge, the Verifier's Observe hears
// nothing. It does not end a request whose token dies while it is served; for those that last, package
// lease does. It proves the caller and not what a handler does: a handler that reads another id than the one the question was about is
// not protected by the question.
package httpauth
