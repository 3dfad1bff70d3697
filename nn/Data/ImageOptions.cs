namespace Lathe.NN.Data;

/// <summary>How photographs become inputs. Data sets of a fixed size take no notice.</summary>
/// <param name="Side">Height and width of an input, pixels, 8 to 2048.</param>
/// <param name="DamagedLimit">
/// How many images of a split may be damaged before reading fails, at least 0; null: one in a thousand, but ten in any case.
/// </param>
public sealed record ImageOptions(int Side = 224, int? DamagedLimit = null);
