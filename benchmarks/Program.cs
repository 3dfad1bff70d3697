using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Lathe.Benchmarks;
using Lathe.Benchmarks.Engine;
using Lathe.Benchmarks.Inference;
using Lathe.Contracts;

try
{
    switch (args)
    {
        case ["engine", .. var rest]:
            EngineCommand.Run(EngineOptions.Parse(rest));
            break;
        case ["inference", .. var rest]:
            InferenceCommand.Run(InferenceOptions.Parse(rest));
            break;
        case ["peak", .. var rest]:
            PeakCommand.Run(rest);
            break;
        case ["reference", .. var rest]:
            ReferenceCommand.Run(rest);
            break;
        case ["memory", .. var rest]:
            MemoryCommand.Run(MemoryOptions.Parse(rest));
            break;
        case ["backends", .. var rest]:
            BackendsCommand.Run(BackendsOptions.Parse(rest));
            break;
        case ["photographs", ..]:
            PhotographLoading.Run(args);
            break;
        default:
            // In one process, so that all ways are measured under the same conditions, one after the other.
            BenchmarkSwitcher.FromAssembly(typeof(TrainingStep).Assembly).Run(
                args,
                DefaultConfig.Instance.AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(3).WithIterationCount(30)));
            break;
    }

    return 0;
}
catch (LatheException e)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}
