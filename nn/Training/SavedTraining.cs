using System.Text.Json;
using Lathe.Contracts;
using Lathe.NN.Checkpoints;
using static TorchSharp.torch;

namespace Lathe.NN.Training;

/// <summary>
/// Training in mid-course: all that the rest of it depends on. Order and augmentation of the images need no state beyond the place,
/// for they are functions of (seed, epoch, image).
/// </summary>
/// <param name="Recipe">What is being trained, to tell another recipe's state from this one's.</param>
/// <param name="Epoch">The epoch to go on with.</param>
/// <param name="Step">The step of it to go on with.</param>
/// <param name="LossSum">Of that epoch's steps so far.</param>
/// <param name="Correct">Images of that epoch classified right so far.</param>
/// <param name="Epochs">Finished epochs.</param>
internal sealed record TrainingPlace(string Recipe, int Epoch, int Step, double LossSum, long Correct, IReadOnlyList<EpochRecord> Epochs);

/// <summary>The stored form: a safetensors file with the place as JSON in its metadata.</summary>
internal static class SavedTraining
{
    private const string PlaceKey = "training";
    private const string Source = "the saved training state";
    private const string Remedy = "Run with --fresh to start over.";

    public static void Write(Stream stream, TrainingPlace place, IReadOnlyDictionary<string, Tensor> tensors) =>
        SafeTensorsFile.Write(stream, tensors, new Dictionary<string, string> { [PlaceKey] = JsonSerializer.Serialize(place) });

    /// <returns>The place and the tensors, which belong to the current dispose scope.</returns>
    public static (TrainingPlace Place, IReadOnlyDictionary<string, Tensor> Tensors) Read(Stream stream)
    {
        using var buffered = stream.CanSeek ? null : new MemoryStream();
        if (buffered is not null)
        {
            stream.CopyTo(buffered);
            buffered.Position = 0;
        }

        try
        {
            var file = SafeTensorsFile.Read(buffered ?? stream, Source);
            return file.Metadata.TryGetValue(PlaceKey, out var json) && JsonSerializer.Deserialize<TrainingPlace>(json) is { } place
                ? (place, file.Tensors)
                : throw new LatheException("The saved training state does not say how far training was. " + Remedy);
        }
        catch (JsonException e)
        {
            throw new LatheException("The saved training state does not say how far training was. " + Remedy, FailureKind.Permanent, e);
        }
        catch (LatheException e) when (!e.Message.EndsWith(Remedy, StringComparison.Ordinal))
        {
            throw new LatheException($"{e.Message.TrimEnd('.')}. {Remedy}", e.Kind, e);
        }
    }
}
