using System.Reflection;
using System.Runtime.InteropServices;
using Amazon.S3;
using Lathe.Contracts;

namespace Lathe.Hosting.Tests;

public sealed class JudgingFailures
{
    public static TheoryData<Exception, FailureKind, bool, string> Cases => new()
    {
        { new LatheException("no such budget"), FailureKind.Permanent, false, "no such budget" },
        { new LatheException("the server is away", FailureKind.Transient), FailureKind.Transient, false, "the server is away" },
        { new LatheException("no GPU", FailureKind.Elsewhere), FailureKind.Elsewhere, true, "no GPU" },
        { new LatheException("x could not be transferred", FailureKind.Transient, Full()), FailureKind.Elsewhere, true, "x could not be transferred" },
        { new LatheException("wrong credentials", FailureKind.Permanent, new AmazonS3Exception("no")), FailureKind.Elsewhere, true, "wrong credentials" },
        { new LatheException("it was replaced", FailureKind.Transient, new AmazonS3Exception("no")), FailureKind.Transient, false, "it was replaced" },
        { new AggregateException(new TargetInvocationException(new LatheException("within"))), FailureKind.Permanent, false, "within" },
        { Full(), FailureKind.Elsewhere, true, "the disk is full (No space left on device" },
        { new InvalidOperationException("writing failed", Full()), FailureKind.Elsewhere, true, "the disk is full (No space left on device" },
        { new IOException("Disk quota exceeded", 122), FailureKind.Elsewhere, true, "the disk is full (Disk quota exceeded)" },
        { new IOException("Read-only file system : '/store/x'", 30), FailureKind.Elsewhere, true, "cannot be used (Read-only file system : '/store/x')" },
        { new UnauthorizedAccessException("Access to the path '/store' is denied."), FailureKind.Elsewhere, true, "cannot be used (Access to the path '/store' is denied.)" },
        { new IOException("Input/output error", 5), FailureKind.Elsewhere, true, "a disk of this worker fails" },
        { new TypeInitializationException("torch", new DllNotFoundException("libtorch.so")), FailureKind.Elsewhere, true, "cannot be loaded (libtorch.so)" },
        { new IOException("broken pipe"), FailureKind.Transient, false, "input or output failed: broken pipe" },
        { new HttpRequestException("refused"), FailureKind.Transient, false, "over HTTP failed: refused" },
        { new TimeoutException("slow"), FailureKind.Transient, false, "did not answer in time: slow" },
        { new TaskCanceledException("slow", new TimeoutException()), FailureKind.Transient, false, "did not answer in time: slow" },
        { new OperationCanceledException("enough"), FailureKind.Transient, false, "OperationCanceledException, though nobody asked for a stop: enough. Either something did not answer in time, or the stage threw it by itself; a stage throws it only when run.Stop is requested" },
        { new FromLibtorch("CUDA out of memory. Tried to allocate 2.00 GiB.\nException raised from malloc"), FailureKind.Transient, false, "too little memory: CUDA out of memory. Tried to allocate 2.00 GiB; a smaller batch" },
        { new FromLibtorch("mat1 and mat2 shapes cannot be multiplied\nException raised from addmm"), FailureKind.Permanent, false, "cannot be multiplied (a fault in the stage" },
        { new InvalidOperationException("a bug\n  at frame"), FailureKind.Permanent, false, "InvalidOperationException: a bug (a fault in the stage" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void What_is_the_workers_own_is_done_elsewhere_and_what_passes_is_tried_again(Exception e, FailureKind kind, bool isOfThisWorker, string message)
    {
        var failure = StageFailure.Of(e, hasOtherWorkers: true);
        Assert.Equal((kind, isOfThisWorker), (failure.Kind, failure.IsOfThisWorker));
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);

        // In one process nobody else could do it; the words are the same.
        var alone = StageFailure.Of(e, hasOtherWorkers: false);
        Assert.Equal((kind == FailureKind.Elsewhere ? FailureKind.Permanent : kind, failure.Message), (alone.Kind, alone.Message));
    }

    private static IOException Full() => Assert.Throws<IOException>(() => File.WriteAllText("/dev/full", "x"));

    /// <summary>TorchSharp throws the base class, which is not to be thrown by others.</summary>
    private sealed class FromLibtorch(string message) : ExternalException(message);
}
