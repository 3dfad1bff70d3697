using System.ComponentModel.DataAnnotations;
using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Testing.Rude;

/// <param name="How">What the stage does to its worker.</param>
/// <param name="Steps">Another number is another execution.</param>
public sealed record Rudeness([AllowedValues("not", "native", "thread", "nativeThread", "kill")] string How = "not", int Steps = 1);

/// <summary>A stage as its author should not write it.</summary>
public sealed partial class RudeStage : IStage<Rudeness>
{
    public static StageManifest Manifest => new("rude", "1", "Ends its worker.", StageInput.Model, StageOutput.Checkpoint, ReadsData: false);

    public StageOutcome Run(StageRun run, Rudeness parameters)
    {
        switch (parameters.How)
        {
            case "native":
                ThrowInNativeCode("the shapes do not fit");
                break;
            case "thread":
                new Thread(() => throw new InvalidOperationException("lost on the way")).Start();
                run.Stop.WaitHandle.WaitOne();
                break;
            case "nativeThread":
                new Thread(() => ThrowInNativeCode("the shapes do not fit")).Start();
                run.Stop.WaitHandle.WaitOne();
                break;
            case "kill":
                _ = kill(Environment.ProcessId, 9);
                break;
        }

        return new StageOutcome(run.Write(stream => stream.WriteByte(1)), new Dictionary<string, double>());
    }

    /// <summary>std::__throw_out_of_range: what GNU's C++ library itself calls to throw, and nothing catches it.</summary>
    [LibraryImport("libstdc++.so.6", EntryPoint = "_ZSt20__throw_out_of_rangePKc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial void ThrowInNativeCode(string message);

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);
}
