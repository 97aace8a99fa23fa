// One binary with the parts of a Kubernetes, each called by its own name: etcd, the API server, the controller manager
// and the scheduler; kubelet and kube-proxy of a real node, and kube-router, which holds its pods to NetworkPolicies;
// and kwok, which keeps made-up nodes and their pods alive.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // for the time zones of CronJobs

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // what each component's own main registers
	_ "k8s.io/component-base/metrics/prometheus/clientgo" //
	_ "k8s.io/component-base/metrics/prometheus/version"  //
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	nodestages "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	leasestages "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podstages "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

// parts maps the name of each part to its entry point, which reads os.Args as its own binary would.
var parts = map[string]func(){
	"etcd":                    func() { etcdmain.Main(os.Args) },
	"kube-apiserver":          run(apiserver.NewAPIServerCommand),
	"kube-controller-manager": run(controllers.NewControllerManagerCommand),
	"kube-scheduler":          run(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubelet":                 run(func() *cobra.Command { return kubelet.NewKubeletCommand(signals.SetupSignalContext()) }),
	"kube-proxy":              run(proxy.NewProxyCommand),
	"kube-router":             runKubeRouter,
	"kwok":                    runKwok,
	"kwok-stages":             printStages,
}

func main() {
	if len(os.Args) > 1 {
		if part, known := parts[os.Args[1]]; known {
			os.Args = os.Args[1:]
			part()
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: control-plane PART [FLAGS]; parts: etcd, kube-apiserver,",
		"kube-controller-manager, kube-scheduler, kubelet, kube-proxy, kube-router, kwok, kwok-stages")
	os.Exit(2)
}

// run makes an entry point of a component's command. The command is made only when its part is asked for: each
// registers flags of its own.
func run(command func() *cobra.Command) func() {
	return func() { os.Exit(cli.Run(command())) }
}

// runKubeRouter does what kube-router's own main does with its firewall alone; pods' addresses are the CNI plugins',
// services' are kube-proxy's. Without what it has for those, BGP and IPVS, it is a third of the packages.
func runKubeRouter() {
	options := options.NewKubeRouterConfig()
	flags := pflag.NewFlagSet("kube-router", pflag.ExitOnError)
	options.AddFlags(flags)
	_ = flags.Parse(os.Args[1:]) // ends the process where it cannot
	if err := enforce(signals.SetupSignalContext(), options); err != nil {
		fmt.Fprintln(os.Stderr, "kube-router:", err)
		os.Exit(1)
	}
}

// enforce holds the node's pods to the NetworkPolicies that select them, until it is told to end.
func enforce(ctx context.Context, options *options.KubeRouterConfig) error {
	access, err := clientcmd.BuildConfigFromFlags(options.Master, options.Kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		return err
	}
	registered := func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().Nodes().Get(ctx, options.HostnameOverride, metav1.GetOptions{})
		return err == nil, nil
	}
	if err := wait.PollUntilContextCancel(ctx, time.Second/2, true, registered); err != nil {
		return nil // told to end
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	tables, sets, err := netpol.NewIPTablesHandlers(options)
	if err != nil {
		return err
	}
	var ofSets sync.Mutex
	controller, err := netpol.NewNetworkPolicyController(
		client, options, pods, policies, namespaces, &ofSets, tables, sets)
	if err != nil {
		return err
	}
	for informer, handler := range map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		pods:       controller.PodEventHandler,
		namespaces: controller.NamespaceEventHandler,
		policies:   controller.NetworkPolicyEventHandler,
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	health, err := healthcheck.NewHealthController(options)
	if err != nil {
		return err
	}
	health.SetAlive()
	beats := make(chan *healthcheck.ControllerHeartbeat, 10)
	var running sync.WaitGroup
	running.Add(3)
	go health.RunServer(ctx.Done(), &running)
	go health.RunCheck(beats, ctx.Done(), &running)
	go controller.Run(beats, ctx.Done(), &running)
	<-ctx.Done() // a beat that nobody takes any more may keep the controller: it is not waited for
	return nil
}

// runKwok does what kwok's own main does: the files that --config names are read before the command is made.
func runKwok() {
	// Kubernetes' packages have registered a flag `version` for every command of the process; kwok has its own.
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, logger := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		logger.Error("kwok's configuration", "err", err)
		os.Exit(1)
	}
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	if err := command.ExecuteContext(ctx); err != nil {
		logger.Error("kwok", "err", err)
		os.Exit(1)
	}
}

// printStages writes the configuration by which kwok's nodes and pods become ready at once and stay so: kwok's own.
func printStages() {
	fmt.Println(strings.Join([]string{
		nodestages.DefaultNodeInit, leasestages.DefaultNodeHeartbeatWithLease,
		podstages.DefaultPodReady, podstages.DefaultPodComplete, podstages.DefaultPodDelete,
	}, "\n---\n"))
}
