using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Lathe.Benchmarks;

if (args is ["photographs", ..])
{
    PhotographLoading.Run(args);
    return;
}

// In one process, so that all ways are measured under the same conditions, one after the other.
BenchmarkSwitcher.FromAssembly(typeof(TrainingStep).Assembly)
    .Run(args, DefaultConfig.Instance.AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(3).WithIterationCount(30)));
