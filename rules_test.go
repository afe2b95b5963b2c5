package tokenauth_test

import (
	"bytes"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The rules of the house that no compiler knows: who may import whom, that golang-jwt stays behind the door, and that every
// exported name says what it is for. They are read from the source files of the whole tree, whatever build constraints say,
// and from what the compiler exports. What is new in the tree has to be entered here first: an unknown room is a failure.

const (
	project = "github.com/a74cfa30/tokenauth"
	jwtPath = "github.com/golang-jwt/jwt/v5"
)

// rooms says what the shipped files of a directory, and of those below it, may import beyond the standard library and the room
// itself: one package, or with "/..." those below it too. testify is in no list. The lists of .golangci.yml are these.
var rooms = map[string][]string{
	".":             {jwtPath, "github.com/google/uuid", project + "/internal/jose", project + "/internal/jwa"},
	"internal/jose": {},
	"internal/jwa":  {jwtPath},

	"attack":    {project},
	"memstore":  {project},
	"storetest": {project},
	"replica":   {project},
	"lease":     {project},
	"touch":     {project},
	"httpauth":  {project, project + "/lease"},
	"tokenapi":  {project, project + "/httpauth", project + "/internal/jose"},
	"jwks":      {project},
	"authtest":  {project, project + "/memstore", project + "/jwks"},

	// What only this project's tests use.
	"internal/testserver": {},
	"internal/testkit":    {},
	"internal/mutate":     {},

	// Modules of their own, each for the sake of one dependency.
	"sqlitestore": {project, "modernc.org/sqlite/..."},
	"pgxstore":    {project, "github.com/jackc/pgx/v5/..."},
	"redisstore":  {project, "github.com/redis/go-redis/v9/..."},
	"grpcauth":    {project, project + "/lease", "google.golang.org/grpc/..."},
}

// programs are modules that nobody imports, so they may import what they like.
var programs = []string{"examples", "bench", "internal/difftest", "internal/fleet", "internal/wycheproof"}

// core is what every user of this project links, and notInCore what of the standard library has no place in there: servers and
// databases belong to adapters, and a library hands events to its caller instead of logging.
var (
	core      = []string{".", "internal/jose", "internal/jwa"}
	notInCore = []string{"net/http/...", "database/sql/...", "log"}
)

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	tree := readTree(t)
	for _, dir := range tree.dirs() {
		t.Run(dir, func(t *testing.T) {
			room, ok := roomOf(dir)
			require.True(t, ok, "%s is in no room: say in rooms what it may import, and in .golangci.yml", dir)
			for _, file := range tree.files[dir] {
				for _, spec := range file.Imports {
					name, err := strconv.Unquote(spec.Path.Value)
					require.NoError(t, err)
					if !mayImport(room, name) {
						t.Errorf("%s: the room %q may not import %s", tree.at(spec), room, name)
					}
				}
			}
		})
	}
}

// roomOf returns the room that dir is or lies in. The root holds its own files only.
func roomOf(dir string) (string, bool) {
	for room := dir; room != "." || dir == "."; room = path.Dir(room) {
		if _, ok := rooms[room]; ok {
			return room, true
		}
	}
	return "", false
}

// mayImport says whether the shipped files of room may import the package name.
func mayImport(room, name string) bool {
	if isStandard(name) {
		return !slices.Contains(core, room) || !matches(notInCore, name)
	}
	return matches(rooms[room], name) || room != "." && matches([]string{project + "/" + room + "/..."}, name)
}

// isStandard says whether name is a package of the standard library: the first element of every other one has a dot. cgo's C
// is none.
func isStandard(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return !strings.Contains(first, ".") && first != "C"
}

// matches says whether one of patterns is name, or ends in "/..." and holds it.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		parent, below := strings.CutSuffix(pattern, "/...")
		return name == parent || below && strings.HasPrefix(name, parent+"/")
	})
}

// The core knows log/slog only so far as to keep secrets out of it.
func TestCoreUsesSlogForLogValueOnly(t *testing.T) {
	tree := readTree(t)
	for _, dir := range core {
		for _, file := range tree.files[dir] {
			for _, spec := range file.Imports {
				if spec.Path.Value == `"log/slog"` && spec.Name != nil {
					t.Errorf("%s: import log/slog by its own name", tree.at(spec))
				}
			}
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "LogValue" {
					continue
				}
				ast.Inspect(decl, func(n ast.Node) bool {
					if use, ok := n.(*ast.SelectorExpr); ok && isIdent(use.X, "slog") && use.Sel.Name != "LogValuer" {
						t.Errorf("%s: slog.%s outside of a method LogValue", tree.at(use), use.Sel.Name)
					}
					return true
				})
			}
		}
	}
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

// What signs can be replaced without a change to any user's code, so its types are in no exported signature. The one exception
// is Claims, whose methods make it a jwt.Claims.
func TestExportedSignaturesHoldNoTypeOfGolangJWT(t *testing.T) {
	exports := exportData(t)
	imports := importer.ForCompiler(token.NewFileSet(), "gc", func(name string) (io.ReadCloser, error) { return os.Open(exports[name]) })
	packages := slices.Sorted(maps.Keys(exports))
	packages = slices.DeleteFunc(packages, func(name string) bool {
		return !matches([]string{project + "/..."}, name) || matches([]string{project + "/internal/..."}, name)
	})
	require.Contains(t, packages, project)

	for _, name := range packages {
		pkg, err := imports.Import(name)
		require.NoError(t, err)
		names := slices.DeleteFunc(pkg.Scope().Names(), func(name string) bool { return !token.IsExported(name) })
		t.Logf("%s exports %d names", name, len(names))
		for _, name := range names {
			for where, typ := range exportedTypes(pkg.Scope().Lookup(name)) {
				text := types.TypeString(typ, (*types.Package).Path)
				if strings.Contains(text, jwtPath) && !strings.HasPrefix(where, project+".Claims.Get") {
					t.Errorf("%s: %s", where, text)
				}
			}
		}
	}
}

// exportData returns, by import path, the files with what the compiler exports of this module's packages and all they import.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./...")
	var problems bytes.Buffer
	list.Stderr = &problems
	out, err := list.Output()
	require.NoError(t, err, problems.String())
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[name] = file
	}
	return exports
}

// exportedTypes returns the types that a user of obj meets, each under its own name: obj's own, and if obj is a type, those of
// its exported fields and methods.
func exportedTypes(obj types.Object) map[string]types.Type {
	name := obj.Pkg().Path() + "." + obj.Name()
	if _, ok := obj.(*types.TypeName); !ok {
		return map[string]types.Type{name: obj.Type()}
	}
	found := make(map[string]types.Type)
	if s, ok := obj.Type().Underlying().(*types.Struct); ok {
		for field := range s.Fields() {
			if field.Exported() {
				found[name+"."+field.Name()] = field.Type()
			}
		}
	} else {
		found[name] = obj.Type().Underlying()
	}
	if named, ok := types.Unalias(obj.Type()).(*types.Named); ok {
		if named.Obj() != obj { // an alias
			found[name] = named
		}
		for method := range named.Methods() {
			if method.Exported() {
				found[name+"."+method.Name()] = method.Type()
			}
		}
	}
	return found
}

// A name without a comment is one that its user has to guess. Fields and constants may have theirs behind them, on their line; a
// documented group of constants or variables speaks for its members, and an interface for its one method.
func TestEveryExportedNameSaysWhatItIsFor(t *testing.T) {
	tree := readTree(t)
	for _, dir := range tree.dirs() {
		t.Run(dir, func(t *testing.T) {
			require.True(t, slices.ContainsFunc(tree.files[dir], func(f *ast.File) bool { return f.Doc != nil }),
				"package %s has no comment", dir)
			for _, file := range tree.files[dir] {
				for _, decl := range file.Decls {
					for _, name := range undocumented(decl) {
						t.Errorf("%s: %s has no comment", tree.at(name), name.Name)
					}
				}
			}
		})
	}
}

// undocumented returns the exported names that decl declares and nothing explains.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Doc == nil && (decl.Recv == nil || exportedReceiver(decl.Recv)) {
			return exported(decl.Name)
		}
	case *ast.GenDecl:
		var names []*ast.Ident
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				if decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
					names = append(names, exported(spec.Names...)...)
				}
			case *ast.TypeSpec:
				if grouped := decl.Lparen.IsValid(); spec.Doc == nil && (grouped || decl.Doc == nil) {
					names = append(names, exported(spec.Name)...)
				}
				if spec.Name.IsExported() {
					names = append(names, undocumentedMembers(spec.Type)...)
				}
			}
		}
		return names
	}
	return nil
}

// undocumentedMembers does the same for the fields of a struct and the methods of an interface. What is embedded is explained by
// its own type.
func undocumentedMembers(typ ast.Expr) []*ast.Ident {
	var members *ast.FieldList
	switch typ := typ.(type) {
	case *ast.StructType:
		members = typ.Fields
	case *ast.InterfaceType:
		if typ.Methods.NumFields() == 1 {
			return nil
		}
		members = typ.Methods
	default:
		return nil
	}
	var names []*ast.Ident
	for _, member := range members.List {
		if member.Doc == nil && member.Comment == nil {
			names = append(names, exported(member.Names...)...)
		}
	}
	return names
}

// exportedReceiver says whether the receiver's type is exported: no documentation shows the methods of one that is not.
func exportedReceiver(receiver *ast.FieldList) bool {
	typ := receiver.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return false
		}
	}
}

func exported(names ...*ast.Ident) []*ast.Ident {
	return slices.DeleteFunc(slices.Clone(names), func(name *ast.Ident) bool { return !name.IsExported() })
}

// A tree is the shipped source files, by directory: all that a user's program may link, so no tests, test data or programs.
type tree struct {
	fset  *token.FileSet
	files map[string][]*ast.File
}

func readTree(t *testing.T) *tree {
	t.Helper()
	tr := &tree{fset: token.NewFileSet(), files: make(map[string][]*ast.File)}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && (slices.Contains(programs, name) || entry.Name() == "testdata" || strings.ContainsAny(entry.Name()[:1], "._")) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(tr.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		tr.files[path.Dir(name)] = append(tr.files[path.Dir(name)], file)
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, tr.files["."], "the root's files are not where this test looks")
	return tr
}

func (tr *tree) dirs() []string { return slices.Sorted(maps.Keys(tr.files)) }

// at says where node stands: file, line and column.
func (tr *tree) at(node ast.Node) string { return tr.fset.Position(node.Pos()).String() }
