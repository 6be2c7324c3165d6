"""P: performance measures, their intervals, and the comparison of methods."""

from .agreement import accuracy_score, balanced_accuracy_score, cohen_kappa_score, matthews_corrcoef
from .calibration import CalibrationCurve, calibration_curve, pit
from .classification import rate_measure
from .clusters import (
    calinski_harabasz_score,
    davies_bouldin_score,
    dunn_index,
    scatter,
    silhouette_samples,
    silhouette_score,
)
from .comparison import Comparison, compare_folds, correlated_t_test, holm, mean_interval
from .confusion import ConfusionMatrix, confusion_matrix
from .correlation import Correlation, CorrelationMatrix, correlation, correlation_matrix
from .distance_correlation import distance_correlation
from .distances import mahalanobis, pairwise_distances, pairwise_distances_chunked
from .embedding import continuity, trustworthiness
from .label_sets import coverage_error, hamming_loss, label_ranking_average_precision_score, label_ranking_loss
from .measure import Measure
from .partial_correlation import partial_correlation, partial_correlation_matrix
from .partitions import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    homogeneity_completeness_v_measure,
    mutual_info_score,
    normalized_mutual_info_score,
)
from .probabilities import BrierDecomposition, brier_decomposition, brier_score_loss, log_loss
from .ranking import (
    PrecisionRecallCurve,
    RocCurve,
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)
from .rates import f1_score, fbeta_score, jaccard_score, precision_score, recall_score, specificity_score
from .registry import get_measure, measures_for
from .reliability import ReliabilityCurve, expected_calibration_error, reliability_curve
from .separation import amari_index, match_sources
from .structure import rank_correlation
from .threshold import Threshold, choose_threshold, cost_matrix, decide, expected_cost, threshold_for

__all__ = [
    "BrierDecomposition",
    "CalibrationCurve",
    "Comparison",
    "ConfusionMatrix",
    "Correlation",
    "CorrelationMatrix",
    "Measure",
    "PrecisionRecallCurve",
    "ReliabilityCurve",
    "RocCurve",
    "Threshold",
    "accuracy_score",
    "adjusted_mutual_info_score",
    "adjusted_rand_score",
    "amari_index",
    "average_precision_score",
    "balanced_accuracy_score",
    "brier_decomposition",
    "brier_score_loss",
    "calibration_curve",
    "calinski_harabasz_score",
    "choose_threshold",
    "cohen_kappa_score",
    "compare_folds",
    "confusion_matrix",
    "continuity",
    "correlated_t_test",
    "correlation",
    "correlation_matrix",
    "cost_matrix",
    "coverage_error",
    "davies_bouldin_score",
    "decide",
    "distance_correlation",
    "dunn_index",
    "expected_calibration_error",
    "expected_cost",
    "f1_score",
    "fbeta_score",
    "get_measure",
    "hamming_loss",
    "holm",
    "homogeneity_completeness_v_measure",
    "jaccard_score",
    "label_ranking_average_precision_score",
    "label_ranking_loss",
    "log_loss",
    "mahalanobis",
    "match_sources",
    "matthews_corrcoef",
    "mean_interval",
    "measures_for",
    "mutual_info_score",
    "normalized_mutual_info_score",
    "pairwise_distances",
    "pairwise_distances_chunked",
    "partial_correlation",
    "partial_correlation_matrix",
    "pit",
    "precision_recall_curve",
    "precision_score",
    "rank_correlation",
    "rate_measure",
    "recall_score",
    "reliability_curve",
    "roc_auc_score",
    "roc_curve",
    "scatter",
    "silhouette_samples",
    "silhouette_score",
    "specificity_score",
    "threshold_for",
    "trustworthiness",
]
