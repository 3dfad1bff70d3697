using System.Globalization;
using Lathe.Contracts;

namespace Lathe.Exports;

/// <summary>Says how closely ONNX Runtime follows a checkpoint.</summary>
internal static class AgreementText
{
    public static string Of(LogitAgreement agreement, ExportJob job) => string.Create(
        CultureInfo.InvariantCulture,
        $"on {agreement.Images} {job.Images.Kind}, ONNX Runtime with {job.Threads} thread{(job.Threads == 1 ? "" : "s")}: top-1 is the same for "
        + $"{agreement.SameTop1}, logits differ by at most {agreement.LargestDifference:0.0e+0} of {agreement.LargestLogit:0.0##}");

    /// <exception cref="LatheException">More images change their class than rounding can explain.</exception>
    public static void CheckQuantized(LogitAgreement agreement, string text, ExportJob job)
    {
        if (agreement.HoldsQuantized) return;
        throw new LatheException(
            $"--out {job.Out}: not written, because ONNX Runtime takes too many images for other classes than the checkpoint does ({text}); expected the same "
            + $"for {LogitAgreement.QuantizedShare * 100:0.#}% of them, or for all but one. The stage quantize keeps sums away from rounding ties, so that this does not happen; "
            + "if an older build made the checkpoint, quantize it again, or take --format c");
    }
}
