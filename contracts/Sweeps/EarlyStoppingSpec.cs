namespace Lathe.Contracts;

/// <summary>
/// When trials of a search stop before their end. A stopped trial keeps its training state: it can go on from there, and is not begun again.
/// </summary>
/// <param name="Strategy"><c>asha</c>: the best share of the trials that have computed for the same time goes on. <c>median</c>: a trial worse than the median of the others stops.</param>
/// <param name="Metric">
/// Figure of an epoch that trials are compared by: <c>loss</c> or <c>accuracy</c>, both of training; a metric that the stage reports after each epoch, for example <c>validationTop1</c>; or
/// <c>objectives</c>: all objectives of the search at once, by front and crowding.
/// </param>
/// <param name="Grace">Epochs that every trial computes.</param>
/// <param name="Reduction">asha: one of so many trials goes on from each rung, and the next rung has so many times the epochs.</param>
public sealed record EarlyStoppingSpec(string Strategy, string Metric = "loss", int Grace = 1, int Reduction = 3);
