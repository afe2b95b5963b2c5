package grpcauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/grpcauth"
	"github.com/a74cfa30/tokenauth/httpauth"
	"github.com/a74cfa30/tokenauth/lease"
)

// wireName is how gRPC's specification writes a code.
func wireName(c codes.Code) string {
	switch c {
	case codes.OK:
		return "OK"
	case codes.Unauthenticated:
		return "UNAUTHENTICATED"
	case codes.PermissionDenied:
		return "PERMISSION_DENIED"
	case codes.Unavailable:
		return "UNAVAILABLE"
	}
	return c.String()
}

// One policy on every surface: what a caller comes with gets the same answer in process, over HTTP, and over gRPC's four kinds of calls.
func TestEverySurfaceAnswersAlike(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	q := authtest.Asked()
	all := rules()
	for _, method := range []string{methodWatch, methodChat} { // before the first message a stream is not about anything in it
		all[method] = grpcauth.Scope(q.ResourceKind, grpcauth.ID(q.ResourceID), q.Level)
	}
	s := serve(t, kit.Verifier, all, lease.Config{})
	s.stream = func(s grpc.ServerStream) error {
		m := new(wrapperspb.StringValue)
		if err := s.RecvMsg(m); err != nil && !strings.HasSuffix(err.Error(), "EOF") {
			return err
		}
		return s.SendMsg(wrapperspb.String("hello"))
	}
	web, err := httpauth.New(httpauth.Config{Verifier: kit.Verifier, Realm: "test"})
	require.NoError(t, err)
	handler := web.Require(q.ResourceKind, httpauth.ID(q.ResourceID), q.Level)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))

	for _, state := range kit.States() {
		if strings.ContainsAny(state.Token, "\x00\r\n") {
			continue // no surface has a way to send it
		}
		t.Run(state.Name, func(t *testing.T) {
			state.Arrange(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()

			_, err := kit.Verifier.Authorize(ctx, state.Token, q.ResourceKind, q.ResourceID, q.Level)
			require.Equal(t, state.HTTP(), httpauth.Status(err), "in process: %v", err)

			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if state.Token != "" {
				r.Header.Set("Authorization", "Bearer "+state.Token)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			require.Equal(t, state.HTTP(), w.Code, "HTTP")

			before := s.calls.Load()
			err = s.get(with(ctx, state.Token), q.ResourceID)
			require.Equal(t, state.GRPC(), wireName(status.Code(err)), "gRPC, unary: %v", err)
			require.Equal(t, state.Err == nil, s.calls.Load() > before, "whether the handler was called")
			for _, method := range []string{methodWatch, methodChat} {
				stream := s.open(t, with(ctx, state.Token), method)
				_ = stream.SendMsg(wrapperspb.String(q.ResourceID)) // if it was refused already, receiving says so
				_ = stream.CloseSend()
				_, err := receive(stream)
				require.Equal(t, state.GRPC(), wireName(status.Code(err)), "%s: %v", method, err)
			}
		})
	}
}

// The credential is one value of one shape. The handler is called for none that is not.
func TestMetadataShapes(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	q := authtest.Asked()
	good, other := kit.Token("alice", q.String()), kit.Token("bob", q.String())
	guard, err := grpcauth.New(grpcauth.Config{Verifier: kit.Verifier, Rules: rules(), NoLeases: true})
	require.NoError(t, err)

	const ok, bad = codes.OK, codes.Unauthenticated
	for name, c := range map[string]struct {
		md   metadata.MD
		want codes.Code
		code string
	}{
		"as it should be":             {metadata.Pairs("authorization", "Bearer "+good), ok, ""},
		"small letters":               {metadata.Pairs("authorization", "bearer "+good), ok, ""},
		"capitals":                    {metadata.Pairs("authorization", "BEARER "+good), ok, ""},
		"a key in capitals":           {metadata.Pairs("Authorization", "Bearer "+good), ok, ""}, // HTTP/2 has none
		"two blanks":                  {metadata.Pairs("authorization", "Bearer  "+good), ok, ""},
		"beside other metadata":       {metadata.Pairs("authorization", "Bearer "+good, "x-request-id", "1"), ok, ""},
		"beside one for a proxy":      {metadata.Pairs("authorization", "Bearer "+good, "proxy-authorization", "Bearer "+other), ok, ""},
		"no metadata":                 {nil, bad, "token_missing"},
		"none":                        {metadata.Pairs("x-request-id", "1"), bad, "token_missing"},
		"no values":                   {metadata.MD{"authorization": {}}, bad, "token_missing"},
		"under another key":           {metadata.Pairs("x-authorization", "Bearer "+good), bad, "token_missing"},
		"for a proxy only":            {metadata.Pairs("proxy-authorization", "Bearer "+good), bad, "token_missing"},
		"as a cookie":                 {metadata.Pairs("cookie", "authorization="+good), bad, "token_missing"},
		"as an access_token":          {metadata.Pairs("access_token", good), bad, "token_missing"},
		"as binary metadata":          {metadata.Pairs("authorization-bin", "Bearer "+good), bad, "token_missing"},
		"as a path":                   {metadata.Pairs(":authorization", "Bearer "+good), bad, "token_missing"},
		"twice the same":              {metadata.Pairs("authorization", "Bearer "+good, "authorization", "Bearer "+good), bad, "token_malformed"},
		"two callers":                 {metadata.Pairs("authorization", "Bearer "+good, "authorization", "Bearer "+other), bad, "token_malformed"},
		"one and an empty one":        {metadata.Pairs("authorization", "Bearer "+good, "authorization", ""), bad, "token_malformed"},
		"an empty one and one":        {metadata.Pairs("authorization", "", "authorization", "Bearer "+good), bad, "token_malformed"},
		"one and a Basic one":         {metadata.Pairs("authorization", "Basic YTpi", "authorization", "Bearer "+good), bad, "token_malformed"},
		"empty":                       {metadata.Pairs("authorization", ""), bad, "token_malformed"},
		"a blank":                     {metadata.Pairs("authorization", " "), bad, "token_malformed"},
		"the scheme alone":            {metadata.Pairs("authorization", "Bearer"), bad, "token_malformed"},
		"the scheme and a blank":      {metadata.Pairs("authorization", "Bearer "), bad, "token_malformed"},
		"no scheme":                   {metadata.Pairs("authorization", good), bad, "token_malformed"},
		"a blank first":               {metadata.Pairs("authorization", " Bearer "+good), bad, "token_malformed"},
		"a blank last":                {metadata.Pairs("authorization", "Bearer "+good+" "), bad, "token_malformed"},
		"a tab between":               {metadata.Pairs("authorization", "Bearer\t"+good), bad, "token_malformed"},
		"a line end":                  {metadata.Pairs("authorization", "Bearer "+good+"\r\n"), bad, "token_malformed"},
		"a colon":                     {metadata.Pairs("authorization", "Bearer: "+good), bad, "token_malformed"},
		"Basic":                       {metadata.Pairs("authorization", "Basic YTpi"), bad, "token_malformed"},
		"Token":                       {metadata.Pairs("authorization", "Token "+good), bad, "token_malformed"},
		"DPoP":                        {metadata.Pairs("authorization", "DPoP "+good), bad, "token_malformed"},
		"Bearer twice":                {metadata.Pairs("authorization", "Bearer Bearer "+good), bad, "token_malformed"},
		"two in one, by a comma":      {metadata.Pairs("authorization", "Bearer "+good+",Bearer "+other), bad, "token_malformed"},
		"two in one, by comma, blank": {metadata.Pairs("authorization", "Bearer "+good+", "+other), bad, "token_malformed"},
		"two in one, by a blank":      {metadata.Pairs("authorization", "Bearer "+good+" "+other), bad, "token_malformed"},
		"quoted":                      {metadata.Pairs("authorization", `Bearer "`+good+`"`), bad, "token_malformed"},
		"NUL at the end":              {metadata.Pairs("authorization", "Bearer "+good+"\x00"), bad, "token_malformed"},
		"not a token":                 {metadata.Pairs("authorization", "Bearer garbage"), bad, "token_malformed"},
		"invalid UTF-8":               {metadata.Pairs("authorization", "Bearer \xff\xfe"), bad, "token_malformed"},
		"a no-break space":            {metadata.Pairs("authorization", "Bearer\u00a0"+good), bad, "token_malformed"},
		"a homoglyph of the scheme":   {metadata.Pairs("authorization", "Веarer "+good), bad, "token_malformed"},
		"a letter that folds to one":  {metadata.Pairs("authorization", "Bearer"+"\u200b "+good), bad, "token_malformed"},
		"over-long":                   {metadata.Pairs("authorization", "Bearer "+strings.Repeat("a", 1<<20)), bad, "token_too_long"},
		"over-long scheme":            {metadata.Pairs("authorization", strings.Repeat("B", 1<<20)+" "+good), bad, "token_malformed"},
		"many":                        {metadata.MD{"authorization": make([]string, 10_000)}, bad, "token_malformed"},
		"good, and not enough for it": {metadata.Pairs("authorization", "Bearer "+kit.Token("carol", "secret:read")), codes.PermissionDenied, "scope_insufficient"},
		"good, of another deployment": {metadata.Pairs("authorization", "Bearer "+kit.Token("carol", "deployment:api:write")), codes.PermissionDenied, "scope_insufficient"},
		"signed by nobody's key":      {metadata.Pairs("authorization", "Bearer "+kit.BrokenToken("alg none").Token), bad, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if c.md != nil {
				ctx = metadata.NewIncomingContext(ctx, c.md)
			}
			called := false
			_, err := guard.Unary(ctx, wrapperspb.String(q.ResourceID), &grpc.UnaryServerInfo{FullMethod: methodGet}, func(ctx context.Context, _ any) (any, error) {
				called = true
				md, _ := metadata.FromIncomingContext(ctx)
				require.Empty(t, md["authorization"], "the handler sees the credential")
				require.Equal(t, c.md["x-request-id"], md["x-request-id"])
				require.Equal(t, "alice", tokenauth.PrincipalFrom(ctx).Subject())
				return nil, nil
			})
			require.Equal(t, c.want, status.Code(err), "%v", err)
			require.Equal(t, c.want == codes.OK, called)
			if c.code != "" {
				require.Equal(t, c.code, status.Convert(err).Message())
			}
		})
	}
}

func TestRules(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	ask := authtest.Asked()
	good, none, all := kit.Token("alice", ask.String()), kit.Token("bob"), kit.Token("carol", "deployment:write")
	call := func(rule grpcauth.Rule, method, token string, req any) (caller string, err error) {
		guard, err := grpcauth.New(grpcauth.Config{Verifier: kit.Verifier, NoLeases: true, Rules: map[string]grpcauth.Rule{"/s/m": rule}})
		require.NoError(t, err)
		ctx := tokenauth.WithPrincipal(t.Context(), kit.Verify(all)) // somebody whom another interceptor left there
		if token != "" {
			ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("authorization", "Bearer "+token))
		}
		_, err = guard.Unary(ctx, req, &grpc.UnaryServerInfo{FullMethod: method}, func(ctx context.Context, _ any) (any, error) {
			caller = "nobody"
			if p := tokenauth.PrincipalFrom(ctx); p != nil {
				caller = p.Subject()
			}
			return nil, nil
		})
		return caller, err
	}
	field := grpcauth.Field((*wrapperspb.StringValue).GetValue)
	for name, c := range map[string]struct {
		rule   grpcauth.Rule
		token  string
		req    any
		want   codes.Code
		caller string
	}{
		"public, nobody":                {grpcauth.Public(), "", nil, codes.OK, "nobody"},
		"public, bad":                   {grpcauth.Public(), "garbage", nil, codes.OK, "nobody"},
		"public, good":                  {grpcauth.Public(), good, nil, codes.OK, "nobody"},
		"optional, nobody":              {grpcauth.Optional(), "", nil, codes.OK, "nobody"},
		"optional, bad":                 {grpcauth.Optional(), "garbage", nil, codes.Unauthenticated, ""},
		"optional, good":                {grpcauth.Optional(), good, nil, codes.OK, "alice"},
		"authenticated, nobody":         {grpcauth.Authenticated(), "", nil, codes.Unauthenticated, ""},
		"authenticated, good":           {grpcauth.Authenticated(), none, nil, codes.OK, "bob"},
		"fixed, good":                   {grpcauth.Scope("deployment", grpcauth.ID("web"), tokenauth.LevelWrite), good, nil, codes.OK, "alice"},
		"fixed, not enough":             {grpcauth.Scope("deployment", grpcauth.ID("api"), tokenauth.LevelWrite), good, nil, codes.PermissionDenied, ""},
		"collection, one is not enough": {grpcauth.Scope("deployment", grpcauth.Collection(), tokenauth.LevelRead), good, nil, codes.PermissionDenied, ""},
		"collection, all":               {grpcauth.Scope("deployment", grpcauth.Collection(), tokenauth.LevelRead), all, nil, codes.OK, "carol"},
		"field, good":                   {grpcauth.Scope("deployment", field, tokenauth.LevelWrite), good, wrapperspb.String("web"), codes.OK, "alice"},
		"field, another":                {grpcauth.Scope("deployment", field, tokenauth.LevelWrite), good, wrapperspb.String("api"), codes.PermissionDenied, ""},
		"field, empty":                  {grpcauth.Scope("deployment", field, tokenauth.LevelWrite), all, wrapperspb.String(""), codes.PermissionDenied, ""},
		"field, the wildcard":           {grpcauth.Scope("deployment", field, tokenauth.LevelWrite), all, wrapperspb.String(tokenauth.AnyResource), codes.PermissionDenied, ""},
		"field, a star":                 {grpcauth.Scope("deployment", field, tokenauth.LevelWrite), all, wrapperspb.String("*"), codes.PermissionDenied, ""},
		"field, a star, an admin":       {grpcauth.Scope("deployment", field, tokenauth.LevelWrite), kit.Admin("root"), wrapperspb.String("*"), codes.PermissionDenied, ""},
		"field, NUL, an admin":          {grpcauth.Scope("deployment", field, tokenauth.LevelWrite), kit.Admin("root"), wrapperspb.String("a\x00"), codes.PermissionDenied, ""},
		"field, over-long, an admin":    {grpcauth.Scope("deployment", field, tokenauth.LevelWrite), kit.Admin("root"), wrapperspb.String(strings.Repeat("a", 300)), codes.PermissionDenied, ""},
		"field, an admin":               {grpcauth.Scope("deployment", field, tokenauth.LevelWrite), kit.Admin("root"), wrapperspb.String("web"), codes.OK, "root"},
		"field, invalid UTF-8":          {grpcauth.Scope("deployment", field, tokenauth.LevelWrite), all, wrapperspb.String("a\xff"), codes.PermissionDenied, ""},
		"field of another message":      {grpcauth.Scope("deployment", field, tokenauth.LevelWrite), all, wrapperspb.Int32(1), codes.PermissionDenied, ""},
		"field of no message":           {grpcauth.Scope("deployment", field, tokenauth.LevelWrite), all, nil, codes.PermissionDenied, ""},
	} {
		t.Run(name, func(t *testing.T) {
			caller, err := call(c.rule, "/s/m", c.token, c.req)
			require.Equal(t, c.want, status.Code(err), "%v", err)
			require.Equal(t, c.caller, caller)
			caller, err = call(c.rule, "/s/other", c.token, c.req)
			require.Equal(t, codes.PermissionDenied, status.Code(err), "a method that has no rule")
			require.Empty(t, caller)
		})
	}
}

func TestTheZeroGuardRefusesEverything(t *testing.T) {
	_, err := new(grpcauth.Guard).Unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: methodGet}, nil)
	require.Equal(t, codes.PermissionDenied, status.Code(err))
	err = new(grpcauth.Guard).Stream(nil, nil, &grpc.StreamServerInfo{FullMethod: methodChat}, nil)
	require.Equal(t, codes.PermissionDenied, status.Code(err))
}

func TestABadConfigurationIsRefused(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	leases, err := lease.New(kit.Verifier, lease.Config{})
	require.NoError(t, err)
	good := func() grpcauth.Config {
		return grpcauth.Config{Verifier: kit.Verifier, Rules: rules(), Leases: leases}
	}
	_, err = grpcauth.New(good())
	require.NoError(t, err)
	for field, change := range map[string]func(*grpcauth.Config){
		"Config.Verifier":                  func(c *grpcauth.Config) { c.Verifier = nil },
		"Config.Rules":                     func(c *grpcauth.Config) { c.Rules = nil },
		"Config.Leases":                    func(c *grpcauth.Config) { c.Leases = nil },
		"Config.NoLeases":                  func(c *grpcauth.Config) { c.NoLeases = true },
		`Config.Rules["test.Deploy/Get"]`:  func(c *grpcauth.Config) { c.Rules["test.Deploy/Get"] = grpcauth.Public() },
		`Config.Rules["/test.Deploy"]`:     func(c *grpcauth.Config) { c.Rules["/test.Deploy"] = grpcauth.Public() },
		`Config.Rules["/test.Deploy/"]`:    func(c *grpcauth.Config) { c.Rules["/test.Deploy/"] = grpcauth.Public() },
		`Config.Rules["/test.Deploy/*/*"]`: func(c *grpcauth.Config) { c.Rules["/test.Deploy/*/*"] = grpcauth.Public() },
		`Config.Rules[""]`:                 func(c *grpcauth.Config) { c.Rules[""] = grpcauth.Public() },
		`Config.Rules["/a/zero"]`:          func(c *grpcauth.Config) { c.Rules["/a/zero"] = grpcauth.Rule{} },
		`Config.Rules["/a/id"]`: func(c *grpcauth.Config) {
			c.Rules["/a/id"] = grpcauth.Scope("deployment", grpcauth.IDFrom{}, tokenauth.LevelRead)
		},
		`Config.Rules["/a/kind"]`: func(c *grpcauth.Config) {
			c.Rules["/a/kind"] = grpcauth.Scope("", grpcauth.Field((*wrapperspb.StringValue).GetValue), tokenauth.LevelRead)
		},
		`Config.Rules["/a/level"]`: func(c *grpcauth.Config) {
			c.Rules["/a/level"] = grpcauth.Scope("deployment", grpcauth.ID("web"), tokenauth.LevelNone)
		},
	} {
		cfg := good()
		change(&cfg)
		_, err := grpcauth.New(cfg)
		require.ErrorContains(t, err, field)
	}
	_, err = grpcauth.New(grpcauth.Config{})
	require.Len(t, strings.Split(err.Error(), "\n"), 3, "every problem at once")
}

// What a rule was forgotten for, and what a rule is for that nobody has.
func TestCheckServer(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	s := serve(t, kit.Verifier, rules(), lease.Config{})
	require.NoError(t, s.guard.CheckServer(s.grpc))

	wrong := rules()
	delete(wrong, methodWatch)
	wrong["/test.Deploy/Gte"] = grpcauth.Public()
	guard, err := grpcauth.New(grpcauth.Config{Verifier: kit.Verifier, Rules: wrong, NoLeases: true})
	require.NoError(t, err)
	err = guard.CheckServer(s.grpc)
	require.ErrorContains(t, err, "/test.Deploy/Watch has no rule")
	require.ErrorContains(t, err, "the server has no method /test.Deploy/Gte")
	require.Len(t, strings.Split(err.Error(), "\n"), 2)
}

// The caller is told a code and nothing of what anybody said.
func TestStatusTellsTheCodeAlone(t *testing.T) {
	secret := status.Error(codes.NotFound, "secret of the store")
	for name, c := range map[string]struct {
		err     error
		code    codes.Code
		message string
	}{
		"expired":        {tokenauth.ErrExpired, codes.Unauthenticated, "token_expired"},
		"forbidden":      {errors.Join(errors.New("secret"), tokenauth.ErrForbidden), codes.PermissionDenied, "forbidden"},
		"unavailable":    {errors.Join(tokenauth.ErrUnavailable, secret), codes.Unavailable, "unavailable"},
		"both":           {errors.Join(tokenauth.ErrExpired, tokenauth.ErrUnavailable), codes.Unavailable, ""},
		"not found":      {tokenauth.ErrNotFound, codes.NotFound, "not_found"},
		"exists":         {tokenauth.ErrExists, codes.AlreadyExists, "already_exists"},
		"request":        {tokenauth.ErrInvalidRequest, codes.InvalidArgument, "request_invalid"},
		"anything else":  {errors.New("secret"), codes.Internal, "internal"},
		"wraps a status": {errors.Join(secret), codes.Internal, "internal"},
		"a status":       {secret, codes.NotFound, "secret of the store"},
	} {
		got := status.Convert(grpcauth.Status(c.err))
		require.Equal(t, c.code, got.Code(), name)
		if c.message != "" {
			require.Equal(t, c.message, got.Message(), name)
		}
	}
	require.NoError(t, grpcauth.Status(nil))
	require.Equal(t, codes.OK, grpcauth.Code(nil))
}
