package storetest
import ("testing";"time";"fmt";"runtime";"os";"strconv")
var zzPause = func() int { n,_:=strconv.Atoi(os.Getenv("P")); return n }()
func TestZZ(t *testing.T){ 
 r:=ruleNamed(t,"race-two-revokers-M6b"); 
 for range 6 { s:=time.Now(); c:=trialOf(t,60*time.Second,func(f *faulty){f.cascades(&cascade{changed:true})}); c.races=20000
 err:=r.run(c); m:="NONE"; if err!=nil{m=err.Error()[80:110]}; fmt.Println(os.Getenv("P"), runtime.GOMAXPROCS(0), m, time.Since(s)) } }
